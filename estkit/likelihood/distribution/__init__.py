"""Laws of scipy.stats fitted to values, censored and truncated ones too."""
