"""Sparse Bayesian learning: consistency, invariances, evidence, edges, other libraries."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

from spectralkit.datasets import make_irs_mimo, make_kronecker_sparse
from spectralkit.recovery import kronecker_posterior, kronecker_sbl
from spectralkit.testing import assert_namespace_preserved

from .reference import dense_posterior, kron, normal, oracle, planted

METHODS = ["svd", "am", "ksbl"]
SHAPES = ((8, 12), (10, 15))


def problem(seed=0, *, snr=20.0, shapes=SHAPES, n_nonzero=2, **options):
    return make_kronecker_sparse(shapes, n_nonzero, snr=snr, rng=seed, **options)


def fit(given, **options):
    return kronecker_sbl(given.Y, given.dictionaries, **options)


def same_answer(found, expected, coef, rtol=1e-6):
    np.testing.assert_array_equal(found.support, expected.support)
    np.testing.assert_allclose(coef, expected.coef, rtol=0, atol=rtol * np.abs(expected.coef).max())


def check_consistent(result, Y, dictionaries):
    """The posterior is that of the gammas and the noise, and the support that of the gammas."""
    posterior = kronecker_posterior(Y, dictionaries, result.gammas, result.noise_var)
    scale = np.abs(posterior.mean).max()
    np.testing.assert_allclose(result.coef, posterior.mean, rtol=1e-8, atol=1e-9 * scale)
    np.testing.assert_allclose(result.coef_var, posterior.variance, rtol=1e-8)
    assert result.neg_log_evidence == pytest.approx(posterior.neg_log_evidence, rel=1e-9)
    prior = kron(result.gammas)
    np.testing.assert_array_equal(result.support, np.flatnonzero(prior))
    outside = np.setdiff1d(np.arange(len(prior)), result.support)
    assert not result.coef[outside].any()
    assert not result.coef_var[outside].any()
    assert (result.coef_var[result.support] > 0).all()
    assert (result.coef_var <= prior * (1 + 1e-12)).all()
    assert result.noise_var > 0


# Consistency


@pytest.mark.parametrize("prune", [None, 1e-3])
@pytest.mark.parametrize("noise", ["learned", "known"])
@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_posterior_of_what_was_learned(method, is_complex, noise, prune):
    given = problem(dtype=complex if is_complex else float)
    noise_var = given.noise_var if noise == "known" else None
    result = fit(given, method=method, noise_var=noise_var, prune=prune, max_iter=2000)
    check_consistent(result, given.Y, given.dictionaries)
    assert given.nmse(result.coef) < 0.03
    assert result.converged
    if noise == "known":
        assert result.noise_var == pytest.approx(given.noise_var, rel=1e-12)
    for gamma, (_, n) in zip(result.gammas, SHAPES, strict=True):
        assert gamma.shape == (n,)
        assert (gamma >= 0).all()


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_numbers_of_factors(count):
    shapes = [(25, 40), (8, 12), (6, 7), (5, 6)][:count]
    given = problem(shapes=shapes, n_nonzero=2, snr=30)
    result = fit(given)
    check_consistent(result, given.Y, given.dictionaries)
    assert np.isin(given.support, result.support).all()
    assert given.nmse(result.coef) < 0.01


def test_one_matrix_is_one_factor():
    given = problem(shapes=[(30, 50)], n_nonzero=3)
    listed, plain = fit(given), kronecker_sbl(given.Y, given.dictionaries[0])
    np.testing.assert_array_equal(listed.coef, plain.coef)
    np.testing.assert_array_equal(listed.support, given.support)
    # A second factor of one number changes nothing either, where columns are of one length.
    unit = given.dictionaries[0] / np.linalg.norm(given.dictionaries[0], axis=0)
    plain = kronecker_sbl(given.Y, unit)
    for factors in ([unit, np.ones((1, 1))], [np.ones((1, 1)), unit]):
        found = kronecker_sbl(given.Y, factors)
        same_answer(found, plain, found.coef, rtol=1e-3)


def test_single_columns():
    given = problem(shapes=[(6, 1), (10, 15), (1, 1)], n_nonzero=[1, 2, 1])
    result = fit(given)
    check_consistent(result, given.Y, given.dictionaries)
    np.testing.assert_array_equal(result.support, given.support)
    alone = kronecker_sbl(given.Y[:6], given.dictionaries[0])
    check_consistent(alone, given.Y[:6], given.dictionaries[:1])


def test_forms_of_measurements():
    given = problem()
    vector = fit(given)
    tensor = kronecker_sbl(given.Y.reshape(8, 10), given.dictionaries)
    column = kronecker_sbl(given.Y[:, None], given.dictionaries)
    assert tensor.coef.shape == vector.coef.shape == (180,)
    assert column.coef.shape == (180, 1)
    np.testing.assert_array_equal(tensor.coef, vector.coef)
    np.testing.assert_array_equal(column.coef[:, 0], vector.coef)
    listed = kronecker_sbl(given.Y.tolist(), [d.tolist() for d in given.dictionaries])
    np.testing.assert_array_equal(listed.coef, vector.coef)


def test_inputs_are_left_alone():
    given = problem()
    before = [array.copy() for array in (given.Y, *given.dictionaries)]
    for array in (given.Y, *given.dictionaries):
        array.flags.writeable = False
    first, second = fit(given), fit(given)
    np.testing.assert_array_equal(first.coef, second.coef)
    for array, old in zip((given.Y, *given.dictionaries), before, strict=True):
        np.testing.assert_array_equal(array, old)
    spread = np.repeat(given.Y, 2)[::2]
    same_answer(kronecker_sbl(spread, [np.asfortranarray(d) for d in given.dictionaries]), first, first.coef)


@settings(max_examples=20)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 3),
    is_complex=st.booleans(),
    flaw=st.sampled_from(["none", "rank", "duplicate", "zero", "exact"]),
    method=st.sampled_from(METHODS),
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_any_shape(seed, count, is_complex, flaw, method):
    """Whatever is given, what comes back is a posterior."""
    rng = np.random.default_rng(seed)
    shapes = rng.integers(1, 6, (count, 2)).tolist()
    factors = [normal(rng, shape, is_complex) for shape in shapes]
    if flaw == "rank":
        factors[0] = np.outer(factors[0][:, 0], factors[0][0])
    elif flaw == "duplicate":
        factors[0] = np.concatenate([factors[0], factors[0]], axis=1)
    elif flaw == "zero":
        factors[0] = np.concatenate([factors[0], 0 * factors[0]], axis=1)
    x = normal(rng, np.prod([f.shape[1] for f in factors]), is_complex) if flaw == "exact" else 0
    Y = kron(factors) @ x if flaw == "exact" else normal(rng, np.prod([m for m, _ in shapes]), is_complex)
    found = kronecker_sbl(Y, factors, method=method, max_iter=30)
    for array in (found.coef, found.coef_var, *found.gammas):
        assert np.isfinite(array).all()
    assert np.isfinite(found.neg_log_evidence)
    assert np.isfinite(found.noise_var)
    assert len(found.support) >= 1
    if flaw != "exact":
        check_consistent(found, Y, factors)


# Invariances


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [1e-150, 1e-9, 3.0, 1e150])
def test_units_of_the_measurements(scale, method):
    given = problem()
    plain = fit(given, method=method)
    found = kronecker_sbl(scale * given.Y, given.dictionaries, method=method)
    same_answer(found, plain, found.coef / scale)
    np.testing.assert_allclose(found.coef_var / scale / scale, plain.coef_var, rtol=1e-6)
    assert found.noise_var / scale / scale == pytest.approx(plain.noise_var, rel=1e-6)
    jacobian = len(given.Y) * np.log(scale)
    assert found.neg_log_evidence - jacobian == pytest.approx(plain.neg_log_evidence, rel=1e-6)
    plain = fit(given, noise_var=given.noise_var)
    found = kronecker_sbl(scale * given.Y, given.dictionaries, noise_var=given.noise_var * scale**2)
    same_answer(found, plain, found.coef / scale)


@pytest.mark.parametrize("scale", [1e-150, 1e-9, 3.0, 1e150])
@pytest.mark.parametrize("index", [0, 1])
def test_units_of_a_factor(index, scale):
    given = problem()
    plain = fit(given)
    factors = list(given.dictionaries)
    factors[index] = scale * factors[index]
    found = kronecker_sbl(given.Y, factors)
    same_answer(found, plain, found.coef * scale)
    assert found.neg_log_evidence == pytest.approx(plain.neg_log_evidence, rel=1e-6)
    factors[1 - index] = factors[1 - index] / scale
    found = kronecker_sbl(given.Y, factors)
    same_answer(found, plain, found.coef)


def test_units_of_columns_of_a_table():
    given = problem(shapes=[(30, 50)], n_nonzero=3)
    units = 10.0 ** np.random.default_rng(0).uniform(-6, 6, 50)
    plain, found = fit(given), kronecker_sbl(given.Y, given.dictionaries[0] * units)
    same_answer(found, plain, found.coef * units)
    np.testing.assert_allclose(found.gammas[0] * units**2, plain.gammas[0], rtol=1e-5)


def test_huge_columns():
    """Columns whose squares overflow."""
    given = problem(shapes=[(30, 50)], n_nonzero=3)
    units = np.where(np.arange(50) % 2, 1e-150, 1e150)
    found = kronecker_sbl(given.Y, given.dictionaries[0] * units)
    assert np.isfinite(found.coef).all()
    assert np.isfinite(found.neg_log_evidence)


@settings(max_examples=8)
@given(seed=st.integers(0, 2**32 - 1), is_complex=st.booleans())
def test_rotations(seed, is_complex):
    """Unitary changes of the measurements of each factor, and a phase, change nothing."""
    rng = np.random.default_rng(seed)
    made = problem(seed % 5, dtype=complex if is_complex else float, snr=25)
    plain = fit(made)
    turns = [np.linalg.qr(normal(rng, (len(d), len(d)), is_complex))[0] for d in made.dictionaries]
    phase = np.exp(1j * rng.uniform(0, 2 * np.pi)) if is_complex else -1.0
    turned = [Q @ d for Q, d in zip(turns, made.dictionaries, strict=True)]
    found = kronecker_sbl(phase * (kron(turns) @ made.Y), turned)
    same_answer(found, plain, found.coef / phase, rtol=1e-4)
    assert found.noise_var == pytest.approx(plain.noise_var, rel=1e-4)


@settings(max_examples=8)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 2))
def test_order_of_columns(seed, count):
    rng = np.random.default_rng(seed)
    made = problem(seed % 5, shapes=[(30, 50)] if count == 1 else SHAPES, snr=25)
    orders = [rng.permutation(d.shape[1]) for d in made.dictionaries]
    plain = fit(made)
    found = kronecker_sbl(made.Y, [d[:, order] for d, order in zip(made.dictionaries, orders, strict=True)])
    sizes = [d.shape[1] for d in made.dictionaries]
    moved = plain.coef.reshape(sizes)[np.ix_(*orders)].ravel()
    np.testing.assert_allclose(found.coef, moved, rtol=0, atol=1e-4 * np.abs(moved).max())
    np.testing.assert_array_equal(found.support, np.flatnonzero(moved))


def test_signs_and_phases_of_columns():
    made = problem(dtype=complex)
    rng = np.random.default_rng(1)
    phases = [np.exp(2j * np.pi * rng.random(d.shape[1])) for d in made.dictionaries]
    plain = fit(made)
    found = kronecker_sbl(made.Y, [d * p for d, p in zip(made.dictionaries, phases, strict=True)])
    same_answer(found, plain, found.coef * kron(phases))


# The evidence


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("method", ["am", "ksbl"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_em_never_lowers_the_evidence(method, is_complex):
    made = problem(3, snr=10, shapes=[(4, 6), (5, 8)], dtype=complex if is_complex else float)
    for noise_var in (made.noise_var, 10 * made.noise_var, 0.1 * made.noise_var):
        figures = [
            fit(made, method=method, noise_var=noise_var, prune=0, max_iter=k).neg_log_evidence
            for k in range(1, 9)
        ]
        steps = np.diff(figures)
        assert (steps <= 1e-9 * np.abs(figures[0])).all(), steps
        assert steps.min() < 0


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_one_iteration_of_one_factor():
    """The textbook's EM: variances become the second moments, from equal ones for columns of unit norm."""
    rng = np.random.default_rng(0)
    H, y = rng.standard_normal((6, 9)) * rng.uniform(0.1, 10, 9), rng.standard_normal(6)
    noise_var = 0.2
    lengths = np.linalg.norm(H, axis=0)
    start = np.full(9, np.sum(y**2) / 9)  # predicts the energy of y
    mean, variance, _ = dense_posterior(y, H / lengths, start, noise_var)
    found = kronecker_sbl(y, H, noise_var=noise_var, prune=0, max_iter=1)
    np.testing.assert_allclose(found.gammas[0], (mean**2 + variance) / lengths**2, rtol=1e-10)


def test_evidence_prefers_the_truth():
    """Of the answers for several settings the default has the lowest figure with its prices."""
    made = problem(snr=15)
    best = fit(made)
    for prune in (0.0, 1e-4, 0.5):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            other = fit(made, prune=prune)
        price = [max(np.log(80) / 2, np.log(n)) for _, n in SHAPES]

        def figure(result, price=price):
            paid = sum(p * np.count_nonzero(g) for p, g in zip(price, result.gammas, strict=True))
            return result.neg_log_evidence + paid

        assert figure(best) <= figure(other) + 1e-3


def test_gammas_are_stationary():
    """At convergence the gammas are the means of the moments over the others."""
    made = problem(snr=15)
    found = fit(made, method="am", noise_var=made.noise_var, tol=1e-5, max_iter=2000)
    moments = (found.coef**2 + found.coef_var).reshape(12, 15)
    first, second = (gamma > 0 for gamma in found.gammas)
    moments = moments[np.ix_(first, second)]
    a, b = found.gammas[0][first], found.gammas[1][second]
    np.testing.assert_allclose(np.mean(moments / b, axis=1), a, rtol=1e-4)
    np.testing.assert_allclose(np.mean(moments / a[:, None], axis=0), b, rtol=1e-4)


# Atoms


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("prune", [1e-4, 1e-2, 0.3, (1e-3, 0.1)])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_explicit_shares(prune, method):
    made = problem()
    found = fit(made, prune=prune, method=method)
    shares = prune if isinstance(prune, tuple) else (prune, prune)
    for gamma, share in zip(found.gammas, shares, strict=True):
        assert gamma[gamma > 0].min() >= share * gamma.max() * (1 - 1e-12)
    check_consistent(found, made.Y, made.dictionaries)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_nothing_is_pruned_at_zero(method):
    made = problem()
    found = fit(made, prune=0, method=method, max_iter=20)
    np.testing.assert_array_equal(found.support, np.arange(180))
    check_consistent(found, made.Y, made.dictionaries)


def test_shares_are_in_the_units_of_the_input():
    made = problem(shapes=[(30, 10)], n_nonzero=10)
    units = 10.0 ** np.arange(10)
    found = kronecker_sbl(made.Y, made.dictionaries[0] * units, prune=1e-3)
    gamma = found.gammas[0]
    assert gamma[gamma > 0].min() >= 1e-3 * gamma.max() * (1 - 1e-12)
    assert len(found.support) < 4


@pytest.mark.parametrize("is_complex", [False, True])
def test_duplicated_columns(is_complex):
    made = problem(1, snr=30, dtype=complex if is_complex else float)
    factors = [np.concatenate([d, d], axis=1) for d in made.dictionaries]
    found = kronecker_sbl(made.Y, factors)
    check_consistent(found, made.Y, factors)
    together = found.coef.reshape(2, 12, 2, 15).sum(axis=(0, 2)).ravel()
    assert made.nmse(together) < 1e-2


@pytest.mark.parametrize("scale", [1e-200, 1e200])
@pytest.mark.parametrize("noise", ["learned", "known"])
def test_measurements_whose_squares_overflow(noise, scale):
    """The coefficients are in range, though the variances are not: a number or an error that says so."""
    made = problem()
    plain = fit(made)
    if noise == "known":
        with pytest.raises(ValueError, match="noise_var must be within"):
            kronecker_sbl(scale * made.Y, made.dictionaries, noise_var=1.0)
        return
    try:
        found = kronecker_sbl(scale * made.Y, made.dictionaries)
    except ValueError as error:
        assert "must be" in str(error)  # noqa: PT017
    else:
        same_answer(found, plain, found.coef / scale)


@pytest.mark.parametrize("zero", [0, 1])
def test_zero_columns(zero):
    made = problem(1, snr=30)
    factors = list(made.dictionaries)
    n = factors[zero].shape[1]
    wider = np.zeros((len(factors[zero]), 2 * n))
    wider[:, ::2] = factors[zero]
    plain = fit(made)
    factors[zero] = wider
    found = kronecker_sbl(made.Y, factors)
    assert not found.gammas[zero][1::2].any()
    spread = found.coef.reshape([f.shape[1] for f in factors])
    inner = spread[::2] if zero == 0 else spread[:, ::2]
    np.testing.assert_allclose(inner.ravel(), plain.coef, rtol=0, atol=1e-4 * np.abs(plain.coef).max())
    check_consistent(found, made.Y, factors)
    coupled = kronecker_sbl(made.Y, factors, method="am", coupling=0.5)
    assert np.isfinite(coupled.coef).all()


@pytest.mark.parametrize("noise_var", [None, 0.3])
@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_measurements_of_zeros(method, is_complex, noise_var):
    made = problem(dtype=complex if is_complex else float)
    found = kronecker_sbl(0 * made.Y, made.dictionaries, method=method, noise_var=noise_var)
    assert found.coef.shape == (180,)
    assert found.coef.dtype == made.Y.dtype
    for array in (found.coef, found.coef_var, found.support, *found.gammas):
        assert not array.any()
    assert len(found.support) == 0
    assert found.converged
    assert found.n_iter == 0
    assert "measurements are zero" in found.status
    assert found.noise_var == (0.0 if noise_var is None else noise_var)
    if noise_var is not None:
        zeros = [np.zeros(n) for _, n in SHAPES]
        posterior = kronecker_posterior(0 * made.Y, made.dictionaries, zeros, noise_var)
        assert found.neg_log_evidence == pytest.approx(posterior.neg_log_evidence, rel=1e-12)
    else:
        assert found.neg_log_evidence == -np.inf


@pytest.mark.parametrize("noise_var", [None, 0.3])
def test_dictionary_of_zeros(noise_var):
    made = problem()
    factors = [made.dictionaries[0], 0 * made.dictionaries[1]]
    found = kronecker_sbl(made.Y, factors, noise_var=noise_var)
    assert not found.coef.any()
    assert found.converged
    assert "zeros only" in found.status
    expected = np.mean(made.Y**2) if noise_var is None else noise_var
    assert found.noise_var == pytest.approx(expected)
    zeros = [np.zeros(n) for _, n in SHAPES]
    posterior = kronecker_posterior(made.Y, factors, zeros, found.noise_var)
    assert found.neg_log_evidence == pytest.approx(posterior.neg_log_evidence, rel=1e-12)
    snapshots = kronecker_sbl(np.stack([made.Y] * 3, axis=1), factors, noise_var=noise_var)
    assert snapshots.coef.shape == (180, 3)
    assert snapshots.neg_log_evidence == pytest.approx(3 * found.neg_log_evidence, rel=1e-12)


def test_measurements_of_noise_alone():
    rng = np.random.default_rng(0)
    made = problem()
    found = kronecker_sbl(rng.standard_normal(80), made.dictionaries)
    check_consistent(found, rng.__class__(np.random.PCG64(0)).standard_normal(80), made.dictionaries)
    assert len(found.support) <= 4
    assert 0.5 < found.noise_var < 1.5


def test_exact_measurements():
    """No noise at all."""
    for seed in range(3):
        Y, factors, coef = planted(SHAPES, [[2, 7], [0, 5, 11]], [[1.0, -2.0], [0.5, 1.0, -0.75]], seed)
        found = kronecker_sbl(Y, factors)
        np.testing.assert_array_equal(found.support, np.flatnonzero(coef))
        np.testing.assert_allclose(found.coef, coef, rtol=0, atol=1e-6)
        assert np.isfinite(found.neg_log_evidence)


def test_more_measurements_than_coefficients():
    made = problem(shapes=[(20, 6), (15, 5)], n_nonzero=2)
    found = fit(made)
    check_consistent(found, made.Y, made.dictionaries)
    np.testing.assert_array_equal(found.support, made.support)
    assert found.noise_var == pytest.approx(made.noise_var, rel=0.2)


def test_tall_factor():
    rng = np.random.default_rng(0)
    H = rng.standard_normal((20_000, 30))
    x = np.where(np.arange(30) % 7 == 3, rng.standard_normal(30), 0.0)
    y = H @ x + 0.5 * rng.standard_normal(20_000)
    Q, R = np.linalg.qr(H)
    options = {"noise_var": 0.25, "prune": 1e-5, "tol": 1e-6}
    tall, square = kronecker_sbl(y, H, **options), kronecker_sbl(Q.T @ y, R, **options)
    same_answer(tall, square, tall.coef, rtol=1e-5)
    outside = y - Q @ (Q.T @ y)
    rest = (20_000 - 30) * np.log(2 * np.pi * 0.25) / 2 + np.sum(outside**2) / 0.5
    assert tall.neg_log_evidence == pytest.approx(square.neg_log_evidence + rest, rel=1e-9)
    learned = kronecker_sbl(y, H)
    np.testing.assert_array_equal(learned.support, np.flatnonzero(x))
    assert learned.noise_var == pytest.approx(0.25, rel=0.05)


# Noise, snapshots, precision


@pytest.mark.parametrize("snr", [5, 20, 40])
@pytest.mark.parametrize("is_complex", [False, True])
def test_noise_is_learned(is_complex, snr):
    ratios = []
    for seed in range(3):
        made = make_kronecker_sparse(snr=snr, rng=seed, dtype=complex if is_complex else float)
        found = fit(made)
        assert found.noise_var == pytest.approx(made.noise_var, rel=0.2)
        known = fit(made, noise_var=made.noise_var)
        ratios.append(made.nmse(found.coef) / made.nmse(known.coef))
    assert np.median(ratios) < 1.15


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_snapshots(method, is_complex):
    """Twenty snapshots show a support that one does not: here there is twice as much noise as signal."""
    alone, together = 0, 0
    for seed in range(3):
        made = problem(seed, snr=-3, n_snapshots=20, dtype=complex if is_complex else float)
        found = fit(made, method=method)
        assert found.coef.shape == (180, 20)
        assert found.coef_var.shape == (180,)
        check_consistent(found, made.Y, made.dictionaries)
        together += np.array_equal(found.support, made.support)
        single = kronecker_sbl(made.Y[:, 0], made.dictionaries, method=method)
        alone += np.array_equal(single.support, made.support)
    assert together >= 2
    assert alone < together


def test_order_of_snapshots():
    made = problem(snr=5, n_snapshots=4)
    plain, turned = fit(made), kronecker_sbl(made.Y[:, ::-1], made.dictionaries)
    same_answer(turned, plain, turned.coef[:, ::-1])


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_single_precision(dtype):
    made = problem(dtype=complex if dtype == "complex64" else float)
    Y, factors = made.Y.astype(dtype), [d.astype(dtype) for d in made.dictionaries]
    found, doubles = kronecker_sbl(Y, factors), fit(made)
    assert found.coef.dtype == dtype
    assert found.coef_var.dtype == np.float32
    assert all(gamma.dtype == np.float32 for gamma in found.gammas)
    assert isinstance(found.noise_var, float)
    same_answer(found, doubles, found.coef, rtol=1e-3)
    assert kronecker_sbl(Y, made.dictionaries).coef.dtype == doubles.coef.dtype
    integers = np.round(100 * made.Y.real).astype(int)
    assert kronecker_sbl(integers, [d.real for d in made.dictionaries]).coef.dtype == np.float64


# Convergence and callbacks


def test_warning():
    made = problem()
    pattern = (
        r"kronecker_sbl with method='svd' did not converge: reached .*, tolerance 0\.0001\. "
        r"Raise max_iter above 2, or tol\."
    )
    with pytest.warns(ConvergenceWarning, match=pattern) as caught:
        found = fit(made, max_iter=2)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert not found.converged
    assert found.status.startswith("Not converged")
    assert found.n_iter == 2


def test_converged():
    found = fit(problem())
    assert found.converged
    assert found.status.startswith("Converged")
    assert 0 < found.n_iter <= 150


@pytest.mark.parametrize("prune", [None, 1e-3])
def test_callback_counts(prune):
    made, seen = problem(), []
    found = fit(made, callback=seen.append, prune=prune)
    assert [info.iteration for info in seen] == list(range(1, len(seen) + 1))
    assert all(info.figure >= 0 for info in seen)
    assert found.n_iter <= len(seen)
    np.testing.assert_array_equal(found.coef, fit(made, prune=prune).coef)
    known = []
    found = fit(made, callback=known.append, prune=1e-3, noise_var=made.noise_var)
    assert found.n_iter == len(known)
    assert known[-1].figure <= 1e-4 < known[-2].figure


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("prune", [None, 1e-2])
def test_callback_stops(prune, method):
    """Wherever it stops the answer is a posterior, and is not said to have converged."""
    made, counted = problem(), []
    fit(made, callback=counted.append, prune=prune, method=method)
    for last in sorted({1, 2, 5, len(counted) // 2, len(counted) - 1, len(counted)}):
        seen = []
        stop = lambda info, seen=seen, last=last: seen.append(info) or info.iteration == last  # noqa: E731
        found = fit(made, callback=stop, prune=prune, method=method)
        assert len(seen) == last
        assert not found.converged
        assert found.status.startswith("Stopped by the callback")
        check_consistent(found, made.Y, made.dictionaries)


def test_callback_raises():
    class Interrupt(Exception):
        pass

    def interrupt(info):
        raise Interrupt

    with pytest.raises(Interrupt):
        fit(problem(), callback=interrupt)


# Coupling


@pytest.mark.parametrize("method", METHODS)
def test_no_coupling(method):
    made = problem()
    plain = fit(made, method=method)
    for coupling in (0, 0.0, [0, 0], np.zeros(2)):
        np.testing.assert_array_equal(fit(made, method=method, coupling=coupling).coef, plain.coef)


def test_coupling_and_svd():
    with pytest.raises(ValueError, match=r"coupling must be None or zeros with method='svd'.*method='am'"):
        fit(problem(), coupling=0.5)


@pytest.mark.parametrize("method", ["am", "ksbl"])
def test_coupled_gammas(method):
    places, values = [[4, 5, 6], [2, 11]], [[1.0, -1.2, 0.8], [1.0, 1.5]]
    Y, factors, coef = planted(SHAPES, places, values, noise=0.1)
    found = kronecker_sbl(Y, factors, method=method, coupling=[0.5, 0])
    check_consistent(found, Y, factors)
    assert np.sum((found.coef - coef) ** 2) < 0.02 * np.sum(coef**2)
    assert np.isin(np.flatnonzero(coef), found.support).all()


SURFACE = {"n_elements": 64, "resolution": 12, "n_base_antennas": 10, "n_user_antennas": 4}


@pytest.mark.parametrize("method", ["am", "ksbl"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_blocks(method):
    for seed in range(2):
        made = make_irs_mimo(snr=20, rng=seed, **SURFACE)
        found = fit(made, method=method, coupling=(0.8, 0, 0.8))
        assert made.nmse(found.coef) < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("method", ["am", "ksbl"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_blocks_in_noise(method):
    """At low SNR the coupling finds what EM without it does not."""
    coupled, alone = [], []
    for seed in range(8):
        made = make_irs_mimo(snr=8, rng=seed, **SURFACE)
        options = {"method": method, "noise_var": made.noise_var, "max_iter": 150}
        coupled.append(made.nmse(fit(made, coupling=(0.8, 0, 0.8), **options).coef))
        alone.append(made.nmse(fit(made, prune=(1e-2, 1e-1, 1e-3), **options).coef))
    assert np.median(coupled) < np.median(alone)


# Other libraries


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("is_complex", [False, True])
def test_array_api_strict(is_complex, method):
    made = problem(dtype=complex if is_complex else float)
    plain = fit(made, method=method)
    found = assert_namespace_preserved(
        lambda Y, A, B: kronecker_sbl(Y, [A, B], method=method), made.Y, *made.dictionaries
    )
    same_answer_in_library(found, plain)


def same_answer_in_library(found, plain):
    np.testing.assert_array_equal(np.asarray(found.support), plain.support)
    scale = np.abs(plain.coef).max()
    np.testing.assert_allclose(np.asarray(found.coef), plain.coef, rtol=0, atol=1e-8 * scale)
    np.testing.assert_allclose(np.asarray(found.coef_var), plain.coef_var, rtol=1e-8)
    for gamma, expected in zip(found.gammas, plain.gammas, strict=True):
        np.testing.assert_allclose(np.asarray(gamma), expected, rtol=1e-8)
    assert found.noise_var == pytest.approx(plain.noise_var, rel=1e-8)
    assert found.neg_log_evidence == pytest.approx(plain.neg_log_evidence, rel=1e-8)


@pytest.mark.parametrize("options", [{"coupling": (0.5, 0), "method": "am"}, {"prune": 1e-3}])
def test_array_api_strict_with_options(options):
    made = problem(n_snapshots=2)
    plain = fit(made, **options)
    found = assert_namespace_preserved(
        lambda Y, A, B: kronecker_sbl(Y, [A, B], **options), made.Y, *made.dictionaries
    )
    same_answer_in_library(found, plain)


def test_array_api_strict_without_signal():
    made = problem(n_snapshots=2)
    found = assert_namespace_preserved(
        lambda Y, A, B: kronecker_sbl(Y, [A, B]), 0 * made.Y, *made.dictionaries
    )
    assert not np.asarray(found.coef).any()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("is_complex", [False, True])
def test_torch(is_complex, method):
    torch = pytest.importorskip("torch")
    made = problem(dtype=complex if is_complex else float)
    tensors = [torch.asarray(d) for d in made.dictionaries]
    found = kronecker_sbl(torch.asarray(made.Y), tensors, method=method)
    for array in (found.coef, found.coef_var, found.support, *found.gammas):
        assert isinstance(array, torch.Tensor)
    same_answer_in_library(found, fit(made, method=method))
    single = kronecker_sbl(
        torch.asarray(made.Y).to(torch.complex64 if is_complex else torch.float32),
        [t.to(torch.complex64 if is_complex else torch.float32) for t in tensors],
        method=method,
    )
    assert single.coef.dtype == (torch.complex64 if is_complex else torch.float32)
    with pytest.raises(TypeError, match=r"(?i)librar|torch"):
        kronecker_sbl(made.Y, tensors)


def test_oracle():
    """The error is that of least squares on the true support."""
    ratios = []
    for seed in range(12):
        made = problem(seed, snr=25)
        ratios.append(made.nmse(fit(made).coef) / made.nmse(oracle(made)))
    assert np.median(ratios) < 1.25
