"""Penalised likelihoods: ridge, lasso, elastic net, Jeffreys; paths."""
