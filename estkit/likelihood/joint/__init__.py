"""Generative likelihoods: classes and columns together."""
