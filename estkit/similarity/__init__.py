"""Cosine similarity in full: pairs, all pairs, neighbours, and how sure each value is."""

from estkit.similarity.cosine import cosine_distance, cosine_similarity
from estkit.similarity.found import Neighbors, SimilarPairs
from estkit.similarity.matrix import Similarities
from estkit.similarity.neighbors import cosine_join, cosine_top_k
from estkit.similarity.pairs import cosine_pairs

__all__ = [
    "Neighbors",
    "SimilarPairs",
    "Similarities",
    "cosine_distance",
    "cosine_join",
    "cosine_pairs",
    "cosine_similarity",
    "cosine_top_k",
]
