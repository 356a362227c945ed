"""Ordinal outcomes: cumulative link models."""
