"""Cosine similarity in full: pairs, all pairs, neighbours, and how sure each value is."""

from estkit.similarity.cosine import cosine_distance, cosine_similarity
from estkit.similarity.debiased import debiased_cosine
from estkit.similarity.found import Neighbors, SimilarPairs
from estkit.similarity.hypotheses import cosine_test
from estkit.similarity.inference import cosine_difference, cosine_interval
from estkit.similarity.matrix import Similarities
from estkit.similarity.neighbors import cosine_join, cosine_top_k
from estkit.similarity.pairs import cosine_pairs

__all__ = [
    "Neighbors",
    "SimilarPairs",
    "Similarities",
    "cosine_difference",
    "cosine_distance",
    "cosine_interval",
    "cosine_join",
    "cosine_pairs",
    "cosine_similarity",
    "cosine_test",
    "cosine_top_k",
    "debiased_cosine",
]
