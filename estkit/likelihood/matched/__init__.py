"""Matched sets: conditional logistic regression."""
