"""Cosine similarity in full: pairs, all pairs, neighbours, and how sure each value is."""
