"""The certificate of the sketch: always, in any order, after any tree of merges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectralkit.streaming import StreamingPCA, frequent_directions, tree_merge
from spectralkit.streaming._stream import finish


def textbook_bounds(A, size):
    """Return ``||A - A_j||_F^2 / (size - j)`` for every j < size."""
    values = np.linalg.svd(A, compute_uv=False) ** 2
    tails = np.r_[values[::-1].cumsum()[::-1], np.zeros(max(0, size - len(values)))]
    return np.array([tails[j] / (size - j) for j in range(size)])


def sketch_error(A, B):
    return np.linalg.norm(A.conj().T @ A - B.conj().T @ B, 2)


def slack(A):
    return 1e-12 * np.linalg.norm(A, 2) ** 2


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 400),
    d=st.integers(1, 40),
    size=st.integers(1, 24),
    alpha=st.sampled_from([0.0, 0.2, 0.5, 1.0]),
    decay=st.sampled_from([0.0, 0.5, 2.0]),
    complex_=st.booleans(),
    ordered=st.booleans(),
)
def test_bound_holds_for_every_alpha(seed, n, d, size, alpha, decay, complex_, ordered):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n, d)) * np.arange(1, d + 1.0) ** -decay
    if complex_:
        A = A + 1j * rng.standard_normal((n, d))
    if ordered:
        A = A[np.argsort(np.abs(A[:, 0]))]
    result = frequent_directions(A, size, alpha=alpha, block_size=64)
    B = result.sketch
    assert B.shape == (size, d)
    assert sketch_error(A, B) <= result.error_bound * (1 + 1e-6) + slack(A)
    # B'B never exceeds A'A, whatever alpha.
    assert np.linalg.eigvalsh(A.conj().T @ A - B.conj().T @ B).min() >= -slack(A)
    if alpha == 1.0:
        assert result.error_bound <= textbook_bounds(A, size).min() * (1 + 1e-6) + slack(A)
    assert result.frobenius_sq == pytest.approx(np.sum(np.abs(A) ** 2))


@given(seed=st.integers(0, 2**32 - 1), workers=st.integers(1, 7), center=st.booleans())
def test_bound_holds_after_merges(seed, workers, center):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((300, 20)) * np.arange(1, 21.0) ** -1 + 2
    A = A[np.argsort(A[:, 0])]
    parts = [
        StreamingPCA(
            1, method="frequent_directions", sketch_size=8, center=center, block_size=32
        ).partial_fit(part)
        for part in np.array_split(A, workers)
    ]
    merged = tree_merge(parts)
    C = A - A.mean(axis=0) if center else A
    B = finish(merged.state_).main.sketch
    assert sketch_error(C, B) <= merged.error_bound_ * (1 + 1e-6) + slack(C)
    assert merged.error_bound_ <= textbook_bounds(C, 8).min() * (1 + 1e-6) + slack(C)
    np.testing.assert_allclose(merged.frobenius_sq_, np.sum(C**2))


def test_shrinkage_is_what_certifies():
    """The ablation: a sketch without shrinkage has no textbook bound on an adversarial stream."""
    # Many directions of equal weight arrive before a slightly heavier one.
    d, size = 60, 8
    A = np.concatenate([np.repeat(np.eye(d)[: d - 1] * 1.01, 20, axis=0), np.tile(np.eye(d)[-1], (19, 1))])
    shrunk, plain = (frequent_directions(A, size, alpha=alpha, block_size=size) for alpha in (1.0, 0.0))
    bound = textbook_bounds(A, size).min()
    assert sketch_error(A, shrunk.sketch) <= bound * (1 + 1e-6)
    assert plain.error_bound > bound


def test_low_rank_streams_are_kept_exactly():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((500, 5)) @ rng.standard_normal((5, 30))
    result = frequent_directions(A, 8)
    assert sketch_error(A, result.sketch) <= result.error_bound + 30 * 2.3e-16 * np.linalg.norm(A) ** 2
    assert result.error_bound <= 1e-12 * np.linalg.norm(A, 2) ** 2


@pytest.mark.parametrize(
    "dtype", [np.float16, np.float32, np.float64, np.complex64, np.complex128, np.int32, bool]
)
def test_dtypes(dtype):
    A = (np.random.default_rng(0).standard_normal((100, 6)) * 3).astype(dtype)
    result = frequent_directions(A, 4)
    expected = {np.dtype(np.int32): np.float64, np.dtype(bool): np.float64}.get(np.dtype(dtype), dtype)
    assert result.sketch.dtype == expected
    wide = A.astype(np.complex128)
    # The cast to a short dtype is part of the certificate.
    assert sketch_error(wide, result.sketch.astype(np.complex128)) <= result.error_bound * (1 + 1e-6)


def test_cutting_the_stream_changes_no_bit():
    A = np.random.default_rng(0).standard_normal((700, 12))
    whole = frequent_directions(A, 5)
    pieces = frequent_directions((A[i : i + 13] for i in range(0, 700, 13)), 5)
    np.testing.assert_array_equal(whole.sketch, pieces.sketch)
    assert whole.error_bound == pieces.error_bound


def test_certificate_includes_rounding():
    for seed in range(50):
        A = np.random.default_rng(seed).standard_normal((40, 60))
        result = frequent_directions(A, 40)
        assert sketch_error(A, result.sketch) <= result.error_bound
    # Centred about a mean of a million the entries themselves are rounded.
    A = np.random.default_rng(0).standard_normal((2000, 1)) @ np.ones((1, 6)) + 1e6
    pca = StreamingPCA(1, method="frequent_directions", sketch_size=8).fit(A)
    exact = A.astype(np.longdouble) - A.astype(np.longdouble).mean(axis=0)
    gram = (exact.T @ exact).astype(np.float64)
    sketch = finish(pca.state_).main.sketch
    assert np.linalg.norm(gram - sketch.T @ sketch, 2) <= pca.error_bound_


def test_sketch_that_overflows_its_dtype():
    with pytest.raises(ValueError, match="wider dtype"):
        frequent_directions(np.full((5000, 20), 1000, np.float16), 3)
