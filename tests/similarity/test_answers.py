"""What is refused in words, what results hold, and that they stay as they are."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest

import estkit as ek

X = np.array([[3.0, 4.0], [4.0, 3.0], [1.0, 0.0]])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_bytes": "1GB"}, "max_bytes must be a number of bytes, got '1GB'"),
        ({"max_bytes": float("inf")}, "max_bytes must be a number of bytes, got inf"),
        ({"n_jobs": "all"}, "n_jobs must be a number of threads, -1 for all cores .* got 'all'"),
        ({"dtype": "short"}, "dtype must be float32 or float64, got 'short'"),
        ({"soft": "all"}, "soft must be a matrix of numbers, got 'all'"),
        ({"soft": [[1, 0.5], [0, 1]]}, "holds 0.5 in row 0, column 1 and 0 in row 1, column 0"),
        ({"soft": np.zeros((2, 2))}, "soft is all zero"),
        ({"weights": [1.0, np.nan]}, "weights: number 1 .* is nan; give finite numbers"),
        ({"center": [np.inf, 0.0]}, "center: number 0 .* is inf; give finite numbers"),
    ],
)
def test_options_of_the_wrong_kind_are_refused_in_words(options, words):
    with pytest.raises(ek.DataError, match=words):
        ek.cosine_similarity(X, **options)


@pytest.mark.parametrize("n_jobs", [0, 0.5, 2.0, True])
@pytest.mark.parametrize("name", ["similarity", "distance", "pairs", "top_k", "join"])
def test_no_threads_are_refused_as_no_workers_are(name, n_jobs):
    call = {
        "similarity": ek.cosine_similarity,
        "distance": ek.cosine_distance,
        "pairs": lambda X, **options: ek.cosine_pairs(X, X, **options),
        "top_k": lambda X, **options: ek.cosine_top_k(X, k=1, **options),
        "join": lambda X, **options: ek.cosine_join(X, threshold=0.5, **options),
    }[name]
    with pytest.raises(ek.DataError, match=f"n_jobs must be a number of threads.* got {n_jobs}"):
        call(X, n_jobs=n_jobs)
    call(X, n_jobs=-1)
    call(X, n_jobs=np.int64(-9))  # joblib's rule: all cores but so many, and at least one


def test_pairs_need_a_second_table():
    with pytest.raises(ek.DataError, match="Y is None"):
        ek.cosine_pairs(X, None)


def test_a_result_that_may_not_be_written_is_refused():
    out = np.empty((3, 3))
    out.setflags(write=False)
    with pytest.raises(ek.DataError, match="out is read-only"):
        ek.cosine_similarity(X, out=out)


@pytest.mark.parametrize("call", [ek.cosine_similarity, ek.cosine_distance])
def test_a_result_in_place_of_the_input_is_refused(call):
    rows = np.random.default_rng(0).normal(size=(4, 4))
    before = rows.copy()
    with pytest.raises(ek.DataError, match="out shares its memory with the input"):
        call(rows, out=rows)
    with pytest.raises(ek.DataError, match="out shares its memory with the input"):
        call(before, rows, out=rows)
    np.testing.assert_array_equal(rows, before)


def test_more_neighbours_than_could_be_held_are_refused_in_words():
    with pytest.raises(ek.DataError, match="k is 1,000,000,000,000, but there are 3 rows"):
        ek.cosine_top_k(X, k=10**12)


@pytest.mark.parametrize("option", ["weights", "center"])
def test_weights_and_means_of_a_series_go_by_their_names(option):
    frame = pd.DataFrame(X, columns=["a", "b"])
    named = pd.Series([1.0, 5.0], index=["b", "a"])
    found = ek.cosine_similarity(frame, **{option: named})
    np.testing.assert_array_equal(found, ek.cosine_similarity(X, **{option: [5.0, 1.0]}))
    with pytest.raises(ek.DataError, match=f"{option} has other coordinates"):
        ek.cosine_similarity(frame, **{option: named.rename({"a": "c"})})


def found(name):
    frame = pd.DataFrame(X, index=pd.date_range("2020-01-01", periods=3), columns=["a", "b"])
    return ek.cosine_top_k(frame, k=4) if name == "k" else ek.cosine_join(frame, threshold=0.7)


@pytest.mark.parametrize("name", ["k", "join"])
def test_dictionaries_of_results_are_json_with_a_version(name):
    result = found(name)
    told = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert (told["format"], told["version"]) == (f"estkit.{type(result).__name__}", 1)
    assert len(told["row_labels"]) == 3


@pytest.mark.parametrize("name", ["k", "join"])
def test_results_stay_read_only_through_a_pickle(name):
    again = pickle.loads(pickle.dumps(found(name)))
    pd.testing.assert_frame_equal(again.to_frame(), found(name).to_frame())
    with pytest.raises(ValueError, match="read-only"):
        again.indices[...] = 0


def test_distances_of_many_near_parallel_rows_keep_to_the_memory_bound():
    import tracemalloc

    rows = 1 + 1e-3 * np.random.default_rng(1).standard_normal((300, 200))
    allowed = 8 << 20
    tracemalloc.start()
    distances = ek.cosine_distance(rows, max_bytes=allowed, n_jobs=2)
    used = tracemalloc.get_traced_memory()[1] - distances.nbytes
    tracemalloc.stop()
    assert used <= allowed
