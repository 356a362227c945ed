"""Links of binomial regression: functions, sums, bounded domains, several maxima."""
