"""A log-likelihood that the user writes."""
