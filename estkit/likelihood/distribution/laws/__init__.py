"""Univariate distributions as likelihoods: their parameters, their sums, their rows."""
