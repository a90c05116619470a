"""What EM alone gets wrong, and the search by evidence that mends it."""

import functools

import numpy as np
import pytest

from spectralkit.datasets import make_kronecker_sparse
from spectralkit.recovery import _search, kronecker_sbl

from .reference import oracle, planted

SHAPES = ((8, 15), (12, 15), (15, 15))


@functools.cache
def channel(seed):
    return make_kronecker_sparse(SHAPES, snr=20, rng=seed)


def error(made, **options):
    return made.nmse(kronecker_sbl(made.Y, made.dictionaries, **options).coef)


@pytest.mark.parametrize("first", range(0, 60, 10))
def test_every_channel_is_found(first):
    for seed in range(first, first + 10):
        made = channel(seed)
        assert error(made) < 10 * made.nmse(oracle(made)), seed


@pytest.mark.slow
@pytest.mark.parametrize("method", ["svd", "am", "ksbl"])
def test_many_channels_are_found(method):
    for seed in range(200):
        made = make_kronecker_sparse(SHAPES, snr=20, rng=1_000 + seed)
        assert error(made, method=method) < 10 * made.nmse(oracle(made)), seed


@pytest.mark.parametrize("seed", [8, 11, 22])
def test_em_alone_fails(seed):
    """The ablation: of the channels above these are lost without the search."""
    assert error(channel(seed), prune=1e-3) > 0.1


@pytest.mark.parametrize("seed", [11, 22])
def test_as_many_wrong_atoms_as_rows(seed):
    """Eight rows are explained by any eight atoms: EM stops there, far below the evidence of the truth."""
    made = channel(seed)
    alone = kronecker_sbl(made.Y, made.dictionaries, prune=1e-3)
    found = kronecker_sbl(made.Y, made.dictionaries)
    assert np.count_nonzero(alone.gammas[0]) >= 8
    assert np.count_nonzero(found.gammas[0]) == 3
    np.testing.assert_array_equal(found.support, made.support)
    assert found.neg_log_evidence < alone.neg_log_evidence - 30


def test_weak_atoms_are_readmitted():
    """An atom of a thousandth of the strongest one's variance, far above the noise nevertheless."""
    values = [[1.0, -0.03], [1.0, -1.5, 0.7]]
    for seed in range(5):
        Y, factors, coef = planted([(12, 20), (15, 20)], [[4, 11], [0, 9, 17]], values, seed, noise=0.02)
        support = np.flatnonzero(coef)
        alone = kronecker_sbl(Y, factors, prune=1e-2)
        assert len(alone.support) == 3
        found = kronecker_sbl(Y, factors)
        np.testing.assert_array_equal(found.support, support)
        assert np.sum((found.coef - coef) ** 2) < 0.1 * np.sum((alone.coef - coef) ** 2)


def test_atoms_of_noise_are_dropped():
    """Without a price the evidence keeps atoms that fit noise alone."""
    kept, alone = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        H = rng.standard_normal((60, 40))
        y = H[:, 3] - 2 * H[:, 30] + rng.standard_normal(60)
        kept.append(len(kronecker_sbl(y, H, max_iter=2000).support))
        alone.append(len(kronecker_sbl(y, H, prune=1e-6, max_iter=20_000, tol=1e-3).support))
    assert np.mean(kept) < 3
    assert np.mean(alone) > 6


@pytest.mark.parametrize("method", ["svd", "am", "ksbl"])
def test_methods_agree(method):
    """Wherever EM of each method ends, the search leads to the same support."""
    for seed in (8, 11):
        made = channel(seed)
        np.testing.assert_array_equal(
            kronecker_sbl(made.Y, made.dictionaries, method=method).support, made.support
        )


@pytest.mark.parametrize("seed", [123, 147, 191, 3, 7])
def test_the_search_ends(seed, monkeypatch):
    """Columns of one factor whose lengths differ by many orders: an atom taken in may be dropped at once."""
    rng = np.random.default_rng(seed)
    m, n = rng.integers(2, 6), rng.integers(2, 8)
    H, _ = rng.standard_normal((m, n)), rng.standard_normal((m, 1))
    factors = [H * 10.0 ** rng.uniform(-12, 12, n), rng.standard_normal((2, 3))]
    Y = rng.standard_normal((m * 2, 1))
    calls, refit = [], _search.FactorView.refit

    def counted(view, gamma):
        calls.append(1)
        assert len(calls) < 2000, "the search goes round in circles"
        return refit(view, gamma)

    monkeypatch.setattr(_search.FactorView, "refit", counted)
    assert np.isfinite(kronecker_sbl(Y, factors, max_iter=2000).coef).all()


def test_values_that_are_no_products():
    """Successive singular vectors alone leave small moments too little variance; the search mends it."""
    rng = np.random.default_rng(0)
    factors = [rng.standard_normal((20, 10)) for _ in range(2)]
    coef = np.zeros((10, 10))
    coef[np.ix_([2, 7], [1, 5])] = [[3, 0.1], [0.1, 0.5]]
    y = np.kron(*factors) @ coef.ravel() + 0.1 * rng.standard_normal(400)
    alone = kronecker_sbl(y, factors, prune=1e-3)
    found = kronecker_sbl(y, factors)
    error = [np.linalg.norm(result.coef - coef.ravel()) for result in (alone, found)]
    assert error[1] < 0.02 < 0.2 < error[0]
    assert found.noise_var == pytest.approx(0.01, rel=0.1)
    assert found.neg_log_evidence < alone.neg_log_evidence - 100


def test_atoms_lost_in_two_factors():
    worst = 0.0
    for seed in (24, 25, 26):
        rng = np.random.default_rng([5, seed])
        factors = [rng.standard_normal((12, 12)) for _ in range(2)]
        places = [np.sort(rng.choice(12, 2, replace=False)) for _ in range(2)]
        coef = np.zeros((12, 12))
        coef[np.ix_(*places)] = rng.standard_normal((2, 2))
        clean = np.kron(*factors) @ coef.ravel()
        y = clean + 0.1 * np.sqrt(np.mean(clean**2)) * rng.standard_normal(144)
        found = kronecker_sbl(y, factors).coef
        worst = max(worst, np.sum((found - coef.ravel()) ** 2) / np.sum(coef**2))
    assert worst < 0.01
