"""Determinantal subsets of the rows of a matrix: probabilities, degenerate rows, scales, rank."""

import itertools

import numpy as np
import pytest
from scipy import stats
from threadpoolctl import threadpool_limits

from spectralkit.sampling import sample_dpp_finite
from tests.sampling import reference


def features(n, m, seed=0):
    """Rows of very different leverage, columns that are not orthogonal."""
    rng = np.random.default_rng([seed, n, m])
    return (rng.standard_normal((n, m)) * rng.exponential(size=(n, 1)) + 0.5) @ rng.standard_normal((m, m))


def leverage(Phi):
    return np.sum(np.linalg.qr(Phi)[0] ** 2, axis=1)


def tiny():
    return np.array([[1, 0.2], [0.4, -1], [0.0, 0.3], [1.5, 1.5], [-0.6, 0.1], [0.3, 2.0]])


@pytest.mark.parametrize("orthonormal", [False, True])
def test_probabilities_of_all_subsets(orthonormal):
    Phi = np.linalg.qr(tiny())[0] if orthonormal else tiny()
    subsets = list(itertools.combinations(range(6), 2))
    shares = np.array([np.linalg.det(Phi[list(subset)]) ** 2 for subset in subsets])
    drawn = np.sort(sample_dpp_finite(Phi, n_repeats=2500, rng=1), axis=1)
    counts = [np.sum(np.all(drawn == subset, axis=1)) for subset in subsets]
    assert stats.chisquare(counts, 2500 * shares / shares.sum()).pvalue > 1e-3


def test_probabilities_of_triples():
    Phi = features(6, 3)
    subsets = list(itertools.combinations(range(6), 3))
    shares = np.array([np.linalg.det(Phi[list(subset)]) ** 2 for subset in subsets])
    shares /= shares.sum()
    drawn = np.sort(sample_dpp_finite(Phi, n_repeats=2500, rng=2), axis=1)
    counts = np.array([np.sum(np.all(drawn == subset, axis=1)) for subset in subsets])
    common = shares > 1e-3
    pooled = [counts[common], [counts[~common].sum()]], [shares[common], [shares[~common].sum()]]
    counts, shares = (np.concatenate(part) for part in pooled)
    keep = shares > 0
    assert stats.chisquare(counts[keep], 2500 * shares[keep]).pvalue > 1e-3


def test_independent_rows_have_other_probabilities():
    # The ablation: rows by leverage, drawn again when they repeat.
    Phi = tiny()
    subsets = list(itertools.combinations(range(6), 2))
    shares = np.array([np.linalg.det(Phi[list(subset)]) ** 2 for subset in subsets])
    p = leverage(Phi) / 2
    rows = np.random.default_rng(0).choice(6, size=(8000, 2), p=p)
    rows = np.sort(rows[rows[:, 0] != rows[:, 1]][:4000], axis=1)
    counts = [np.sum(np.all(rows == subset, axis=1)) for subset in subsets]
    assert stats.chisquare(counts, len(rows) * shares / shares.sum()).pvalue < 1e-10


@pytest.mark.parametrize(("n", "m"), [(60, 8), (300, 1), (40, 30)])
def test_inclusion_probabilities_are_leverages(n, m):
    Phi = features(n, m)
    drawn = sample_dpp_finite(Phi, n_repeats=800, rng=0)
    assert drawn.shape == (800, m)
    assert drawn.dtype == np.int64
    counts = np.bincount(drawn.ravel(), minlength=n)
    p = leverage(Phi)
    error = np.sqrt(800 * p * (1 - p))
    assert np.all(np.abs(counts - 800 * p) < 4.5 * error + 1)
    assert all(len(set(rows)) == m for rows in drawn.tolist())


def test_positions_are_exchangeable():
    Phi = features(30, 6)
    drawn = sample_dpp_finite(Phi, n_repeats=1200, rng=3)
    chosen = leverage(Phi)[drawn]
    assert np.all(np.abs(reference.z_mean(chosen, chosen.mean())) < 4)


def test_variance_of_a_linear_statistic():
    Phi = features(50, 10)
    Q = np.linalg.qr(Phi)[0]
    f = np.cos(np.arange(50.0))
    M, square = (Q * f[:, None]).T @ Q, (Q * f[:, None] ** 2).T @ Q
    found = np.sum(f[sample_dpp_finite(Phi, n_repeats=2000, rng=4)], axis=1)
    assert abs(reference.z_mean(found, np.trace(M))) < 4
    assert abs(reference.z_variance(found, np.trace(square) - np.sum(M**2))) < 4
    independent = np.random.default_rng(0).choice(50, size=(2000, 10), p=leverage(Phi) / 10)
    assert reference.z_variance(np.sum(f[independent], axis=1), np.trace(square) - np.sum(M**2)) > 6


def test_many_columns():
    drawn = sample_dpp_finite(features(400, 150), n_repeats=5, rng=0)
    assert all(len(set(rows)) == 150 for rows in drawn.tolist())


@pytest.mark.parametrize("first", [0, 5])
def test_zero_rows_are_never_chosen(first):
    Phi = features(40, 5)
    Phi[first::3] = 0.0
    drawn = sample_dpp_finite(Phi, n_repeats=300, rng=0)
    assert not np.any((drawn >= first) & ((drawn - first) % 3 == 0))
    # As many rows that are not zero as columns: those are chosen.
    only = np.zeros((20, 3))
    only[[2, 11, 19]] = features(3, 3)
    assert np.all(np.sort(sample_dpp_finite(only, n_repeats=20, rng=0), axis=1) == [2, 11, 19])


def test_equal_rows_are_never_both_chosen():
    Phi = np.repeat(features(12, 4), 3, axis=0)
    Phi[::3] *= -1.0
    Phi[1::3] *= 3.0
    drawn = sample_dpp_finite(Phi, n_repeats=500, rng=0) // 3
    assert all(len(set(rows)) == 4 for rows in drawn.tolist())
    # Just as many groups as columns: each group once.
    Phi = np.repeat(features(7, 7), 4, axis=0)
    drawn = np.sort(sample_dpp_finite(Phi, n_repeats=50, rng=0) // 4, axis=1)
    assert np.all(drawn == np.arange(7))


@pytest.mark.parametrize("m", [1, 2, 17, 60])
def test_square_matrix(m):
    drawn = sample_dpp_finite(features(m, m), n_repeats=4, rng=0)
    assert np.all(np.sort(drawn, axis=1) == np.arange(m))
    assert m < 17 or not np.array_equal(drawn[0], drawn[1])


def test_a_row_of_leverage_one_is_always_chosen():
    Phi = features(30, 4)
    Phi[:, 0] = 0.0
    Phi[13, 0] = 1e-3
    assert np.all(np.any(sample_dpp_finite(Phi, n_repeats=200, rng=0) == 13, axis=1))


def test_only_the_span_matters():
    Phi = features(80, 6)
    rng = np.random.default_rng(0)
    turned = Phi @ np.linalg.qr(rng.standard_normal((6, 6)))[0] * 3.0
    skewed = Phi @ (np.eye(6) + np.triu(rng.standard_normal((6, 6)), 1))
    first = sample_dpp_finite(Phi, n_repeats=20, rng=5)
    Q = np.linalg.qr(Phi)[0]
    nearly = [Q * (1 + 1e-9), Q + 1e-7 * Q[:, ::-1], Q * np.array([1, 1, 1, 1, 1, 1 + 1e-5]), Q * 5]
    for other in (*nearly, turned, skewed, Phi[:, ::-1], np.linalg.qr(Phi)[0]):
        np.testing.assert_array_equal(np.sort(sample_dpp_finite(other, n_repeats=20, rng=5)), np.sort(first))


@pytest.mark.parametrize("exponents", [(-150, 150), (150, -150), (-300, 300), (200, 200), (-200, -200)])
def test_scales_of_columns(exponents):
    Phi = features(50, 4) / 100
    first = sample_dpp_finite(Phi, n_repeats=20, rng=5)
    scaled = Phi * 10.0 ** np.linspace(*exponents, 4)
    np.testing.assert_array_equal(sample_dpp_finite(scaled, n_repeats=20, rng=5), first)


def test_nearly_dependent_columns():
    # Monomials, of a condition number of 1e9: the leverages are those of Legendre polynomials all the same.
    x = np.linspace(-1, 1, 400)
    Phi, Q = np.vander(x, 25), np.polynomial.legendre.legvander(x, 24)
    p = leverage(Q)
    counts = np.bincount(sample_dpp_finite(Phi, n_repeats=400, rng=0).ravel(), minlength=400)
    assert np.all(np.abs(counts - 400 * p) < 4.5 * np.sqrt(400 * p * (1 - p)) + 1)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "bool"])
def test_other_dtypes(dtype):
    Phi = (features(60, 4) * 2).round().astype(dtype)
    if dtype == "bool":
        Phi = np.random.default_rng(0).random((60, 4)) < 0.5
    expected = sample_dpp_finite(Phi.astype(float), n_repeats=10, rng=1)
    np.testing.assert_array_equal(sample_dpp_finite(Phi, n_repeats=10, rng=1), expected)
    np.testing.assert_array_equal(sample_dpp_finite(Phi.tolist(), n_repeats=10, rng=1), expected)


def test_float32_is_drawn_in_double_precision():
    Phi = features(60, 6).astype("float32")
    expected = sample_dpp_finite(Phi.astype(float), n_repeats=10, rng=1)
    np.testing.assert_array_equal(sample_dpp_finite(Phi, n_repeats=10, rng=1), expected)
    Q = np.linalg.qr(Phi)[0]  # orthonormal in single precision only
    drawn = sample_dpp_finite(Q, n_repeats=200, rng=1)
    assert all(len(set(rows)) == 6 for rows in drawn.tolist())


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
def test_other_libraries(library):
    xp = pytest.importorskip(library)
    Phi = features(60, 6)
    expected = sample_dpp_finite(Phi, n_repeats=4, rng=1)
    np.testing.assert_array_equal(
        np.asarray(sample_dpp_finite(xp.asarray(Phi), n_repeats=4, rng=1)), expected
    )


def test_equal_seed_equal_rows():
    Phi = features(500, 60)

    def draws():
        return sample_dpp_finite(Phi, n_repeats=4, rng=9).tobytes()

    with threadpool_limits(1, user_api="blas"):
        first = draws()
    with threadpool_limits(2, user_api="blas"):
        assert draws() == first
    np.testing.assert_array_equal(
        sample_dpp_finite(Phi, n_repeats=2, rng=9), np.frombuffer(first, np.int64).reshape(4, 60)[:2]
    )
    assert sample_dpp_finite(Phi, n_repeats=4, rng=10).tobytes() != first


def test_input_is_left_alone():
    Phi = features(30, 4)
    before = Phi.copy()
    Phi.flags.writeable = False
    sample_dpp_finite(Phi, rng=0)
    np.testing.assert_array_equal(Phi, before)


# Rank.


def test_dependent_columns():
    # Rounding leaves something of the columns that depend on others: it must not pass for a direction.
    undetected = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        n, m, rank = 30 + 7 * (seed % 9), 2 + seed % 6, 1 + seed % (1 + seed % 6)
        Phi = rng.standard_normal((n, rank)) @ rng.standard_normal((rank, m))
        try:
            sample_dpp_finite(Phi, rng=0)
        except ValueError as error:
            assert f"Phi must be of rank {m}, its columns; got rank {rank}. Drop columns" in str(error)  # noqa: PT017
        else:
            undetected.append((seed, Phi.shape, rank))
    assert not undetected


@pytest.mark.parametrize("scale", [1.0, 3.0, 0.1, 1e-100])
@pytest.mark.parametrize("n", [10, 77, 1000])
def test_equal_columns(n, scale):
    Phi = features(n, 5)
    Phi[:, 3] = scale * Phi[:, 1]
    with pytest.raises(ValueError, match="Phi must be of rank 5, its columns; got rank 4"):
        sample_dpp_finite(Phi, rng=0)


def test_zero_columns():
    Phi = features(20, 4)
    Phi[:, [0, 2]] = 0.0
    with pytest.raises(ValueError, match="got rank 2"):
        sample_dpp_finite(Phi, rng=0)
    with pytest.raises(ValueError, match="got rank 0"):
        sample_dpp_finite(np.zeros((5, 2)), rng=0)


def test_one_hot_columns_and_a_constant():
    # The columns of the categories sum to the constant: a common mistake.
    labels = np.random.default_rng(0).integers(4, size=50)
    Phi = np.column_stack([np.ones(50), np.eye(4)[labels]])
    with pytest.raises(ValueError, match="Phi must be of rank 5, its columns; got rank 4"):
        sample_dpp_finite(Phi)


def test_fewer_rows_than_columns():
    with pytest.raises(ValueError, match=r"Phi must be of at least as many rows .*got shape \(3, 4\)"):
        sample_dpp_finite(np.ones((3, 4)))
