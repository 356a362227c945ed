"""Cosine similarity in full: pairs, all pairs, neighbours, and how sure each value is."""

from estkit.similarity.cosine import cosine_distance, cosine_similarity
from estkit.similarity.matrix import Similarities
from estkit.similarity.pairs import cosine_pairs

__all__ = ["Similarities", "cosine_distance", "cosine_pairs", "cosine_similarity"]
