"""The posterior: the dense one, digits at little noise, invariances, edges."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

from spectralkit.recovery import kronecker_posterior
from spectralkit.testing import assert_namespace_preserved

from .reference import dense_posterior, kron, normal, textbook_variance

SHAPES = {
    "one wide": [(4, 7)],
    "one tall": [(7, 4)],
    "two": [(3, 4), (4, 3)],
    "wide": [(2, 4), (3, 5)],
    "tall": [(5, 2), (4, 3)],
    "single columns": [(3, 1), (2, 1), (4, 3)],
    "single rows": [(1, 3), (3, 2), (1, 1)],
    "four": [(2, 3), (3, 2), (1, 2), (2, 2)],
}


def problem(shapes, is_complex=False, seed=0, n_snapshots=None):
    rng = np.random.default_rng(seed)
    factors = [normal(rng, shape, is_complex) for shape in shapes]
    gammas = [rng.random(n) + 0.1 for _, n in shapes]
    M = np.prod([m for m, _ in shapes])
    return normal(rng, M if n_snapshots is None else (M, n_snapshots), is_complex), factors, gammas


def check_dense(Y, factors, gammas, noise_var, rtol=1e-9):
    found = kronecker_posterior(Y, factors, gammas, noise_var)
    mean, variance, evidence = dense_posterior(Y, kron(factors), kron(gammas), noise_var)
    assert found.mean.shape == mean.shape
    np.testing.assert_allclose(found.mean, mean, rtol=0, atol=rtol * np.abs(mean).max(initial=1e-300))
    np.testing.assert_allclose(found.variance, variance, rtol=0, atol=rtol * variance.max(initial=1e-300))
    assert found.neg_log_evidence == pytest.approx(evidence, rel=rtol, abs=rtol)
    prior = kron(gammas)
    assert not np.iscomplexobj(found.variance)
    assert (found.variance[prior > 0] > 0).all()
    assert (found.variance <= prior * (1 + 1e-14)).all()
    return found


# The dense posterior


@pytest.mark.parametrize("n_snapshots", [None, 1, 3])
@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES.keys())
def test_dense_posterior(shapes, is_complex, n_snapshots):
    for seed, noise_var in enumerate((1e-3, 0.3, 20.0)):
        check_dense(*problem(shapes, is_complex, seed, n_snapshots), noise_var)


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("flaw", ["rank", "duplicate", "zero column", "zero matrix"])
def test_deficient_factors(flaw, is_complex):
    for shapes in ([(4, 6), (3, 2)], [(6, 4), (2, 3)]):
        Y, factors, gammas = problem(shapes, is_complex)
        if flaw == "rank":
            factors[0] = np.outer(factors[0][:, 0], factors[0][0])
        elif flaw == "duplicate":
            factors[0][:, 3] = factors[0][:, 1]
            gammas[0][3] = gammas[0][1]
        elif flaw == "zero column":
            factors[0][:, 2] = 0
        else:
            factors[1][:] = 0
        found = check_dense(Y, factors, gammas, 0.1)
        prior = kron(gammas)
        if flaw == "duplicate":
            mean = found.mean.reshape([n for _, n in shapes])
            np.testing.assert_allclose(mean[3], mean[1], rtol=1e-9)
        if flaw == "zero column":
            mean = found.mean.reshape([n for _, n in shapes])
            assert np.abs(mean[2]).max() < 1e-14
            variance = found.variance.reshape([n for _, n in shapes])
            np.testing.assert_allclose(variance[2], prior.reshape(variance.shape)[2], rtol=1e-12)
        if flaw == "zero matrix":
            assert not found.mean.any()
            np.testing.assert_allclose(found.variance, prior, rtol=1e-12)


def test_zero_gammas():
    Y, factors, gammas = problem([(4, 6), (3, 5)])
    gammas[0][[1, 4]] = 0
    gammas[1][0] = 0
    found = check_dense(Y, factors, gammas, 0.1)
    zero = kron(gammas) == 0
    assert not found.mean[zero].any()
    assert not found.variance[zero].any()
    # The atoms with no variance may as well not be there.
    kept = [np.flatnonzero(gamma) for gamma in gammas]
    small = kronecker_posterior(
        Y,
        [f[:, j] for f, j in zip(factors, kept, strict=True)],
        [g[j] for g, j in zip(gammas, kept, strict=True)],
        0.1,
    )
    np.testing.assert_allclose(found.mean[~zero], small.mean, rtol=1e-12)
    assert found.neg_log_evidence == pytest.approx(small.neg_log_evidence, rel=1e-12)


def test_all_gammas_zero():
    Y, factors, gammas = problem([(4, 6), (3, 5)])
    gammas[1][:] = 0
    found = check_dense(Y, factors, gammas, 0.1)
    assert not found.mean.any()
    assert not found.variance.any()


@pytest.mark.parametrize("noise_var", [1e-3, 1.0])
def test_no_signal(noise_var):
    Y, factors, gammas = problem([(4, 6), (3, 5)])
    found = check_dense(0 * Y, factors, gammas, noise_var)
    assert not found.mean.any()


def test_forms_of_measurements():
    Y, factors, gammas = problem([(3, 4), (5, 2)])
    vector = kronecker_posterior(Y, factors, gammas, 0.1)
    tensor = kronecker_posterior(Y.reshape(3, 5), factors, gammas, 0.1)
    column = kronecker_posterior(Y[:, None], factors, gammas, 0.1)
    np.testing.assert_array_equal(tensor.mean, vector.mean)
    assert tensor.mean.shape == vector.mean.shape == (8,)
    np.testing.assert_array_equal(column.mean[:, 0], vector.mean)
    assert vector.neg_log_evidence == tensor.neg_log_evidence == column.neg_log_evidence
    listed = kronecker_posterior(Y.tolist(), [f.tolist() for f in factors], [g.tolist() for g in gammas], 0.1)
    np.testing.assert_array_equal(listed.mean, vector.mean)
    alone = kronecker_posterior(Y[:3], factors[0], gammas[0], 0.1)
    np.testing.assert_array_equal(alone.mean, kronecker_posterior(Y[:3], factors[:1], gammas[:1], 0.1).mean)


def test_snapshots_are_independent():
    Y, factors, gammas = problem([(3, 4), (5, 2)], n_snapshots=4)
    whole = kronecker_posterior(Y, factors, gammas, 0.1)
    each = [kronecker_posterior(column, factors, gammas, 0.1) for column in Y.T]
    np.testing.assert_allclose(
        whole.mean, np.stack([one.mean for one in each], axis=1), rtol=1e-12, atol=1e-14
    )
    np.testing.assert_allclose(whole.variance, each[0].variance, rtol=1e-12)
    assert whole.neg_log_evidence == pytest.approx(sum(one.neg_log_evidence for one in each), rel=1e-12)


def test_complex_measurements_of_real_factors():
    Y, _, _ = problem([(3, 4), (5, 2)], is_complex=True)
    _, factors, gammas = problem([(3, 4), (5, 2)])
    check_dense(Y, factors, gammas, 0.1)
    check_dense(Y.real, [factors[0].astype(complex), factors[1]], gammas, 0.1)


# Digits


def exact_posterior(Y, factors, gammas, noise_var):
    """Return mean, variance and negative log evidence in 60 digits."""
    with mpmath.workdps(60):
        M, N = len(Y), np.prod([f.shape[1] for f in factors])
        H, g = mpmath.ones(1), [mpmath.mpf(1)]
        for factor, gamma in zip(factors, gammas, strict=True):
            A = mpmath.matrix(factor.tolist())
            grown = mpmath.matrix(H.rows * A.rows, H.cols * A.cols)
            for i in range(grown.rows):
                for j in range(grown.cols):
                    grown[i, j] = H[i // A.rows, j // A.cols] * A[i % A.rows, j % A.cols]
            H, g = grown, [a * mpmath.mpf(b) for a in g for b in gamma.tolist()]
        y, noise = mpmath.matrix(Y.tolist()), mpmath.mpf(noise_var)
        adjoint = H.transpose_conj()
        inverse = mpmath.inverse(adjoint * H / noise + mpmath.diag([1 / gamma for gamma in g]))
        mean = inverse * adjoint * y / noise
        C = H * mpmath.diag(g) * adjoint + noise * mpmath.eye(M)
        log_determinant = mpmath.log(mpmath.re(mpmath.det(C)))
        residual = y - H * mean
        quadratic = mpmath.re((y.transpose_conj() * residual)[0]) / noise
        weight = 1 if np.iscomplexobj(Y) else mpmath.mpf(1) / 2
        evidence = weight * (log_determinant + quadratic + M * mpmath.log(mpmath.pi / weight))
        convert = complex if np.iscomplexobj(Y) else float
        return (
            np.array([convert(value) for value in mean]),
            np.array([float(mpmath.re(inverse[i, i])) for i in range(N)]),
            float(evidence),
        )


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("level", [1.0, 1e-4, 1e-8, 1e-12, 1e-16])
def test_little_noise(level, is_complex):
    """Ten digits, where the textbook formula subtracts numbers that agree to as many."""
    rng = np.random.default_rng(3)
    _, factors, gammas = problem([(5, 2), (4, 3)], is_complex, seed=3)
    Y = kron(factors) @ normal(rng, 6, is_complex)
    noise_var = level * float(np.mean(np.abs(Y) ** 2))
    Y = Y + np.sqrt(noise_var) * normal(rng, 20, is_complex)
    mean, variance, evidence = exact_posterior(Y, factors, gammas, noise_var)
    found = kronecker_posterior(Y, factors, gammas, noise_var)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-10)
    np.testing.assert_allclose(found.variance, variance, rtol=1e-10)
    # What is outside of the dictionary is of size sqrt(level), and is known to eps.
    assert found.neg_log_evidence == pytest.approx(evidence, rel=1e-13 + 10 * 2.2e-16 / np.sqrt(level))
    if 1e-12 <= level <= 1e-8:  # with less noise the covariance is singular in doubles
        textbook = textbook_variance(kron(factors), kron(gammas), noise_var)
        assert np.abs(textbook / variance - 1).max() > 1e-10


def test_little_noise_with_few_measurements():
    """Underdetermined, the variances stay positive and below the prior, and the mean stays what it is."""
    Y, factors, gammas = problem([(3, 5), (2, 4)], seed=5)
    found = kronecker_posterior(Y, factors, gammas, 1e-16)
    root = kron([np.sqrt(gamma) for gamma in gammas])
    least = root * np.linalg.lstsq(kron(factors) * root, Y, rcond=None)[0]
    np.testing.assert_allclose(found.mean, least, rtol=1e-9, atol=1e-12)
    assert (found.variance > 0).all()
    assert (found.variance <= kron(gammas)).all()


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_extreme_scales(scale):
    Y, factors, gammas = problem([(3, 4), (5, 2)])
    plain = kronecker_posterior(Y, factors, gammas, 0.1)
    # Of the measurements, with their noise and prior.
    found = kronecker_posterior(scale * Y, factors, [gammas[0], gammas[1] * scale**2], 0.1 * scale**2)
    np.testing.assert_allclose(found.mean / scale, plain.mean, rtol=1e-12)
    np.testing.assert_allclose(found.variance / scale / scale, plain.variance, rtol=1e-12)
    jacobian = len(Y) * np.log(scale)
    assert found.neg_log_evidence == pytest.approx(plain.neg_log_evidence + jacobian, rel=1e-12)
    # Of a factor, with its prior; and of both factors against each other.
    found = kronecker_posterior(Y, [factors[0], scale * factors[1]], [gammas[0], gammas[1] / scale**2], 0.1)
    np.testing.assert_allclose(found.mean * scale, plain.mean, rtol=1e-12)
    np.testing.assert_allclose(found.variance * scale * scale, plain.variance, rtol=1e-12)
    assert found.neg_log_evidence == pytest.approx(plain.neg_log_evidence, rel=1e-12)
    found = kronecker_posterior(Y, [factors[0] / scale, scale * factors[1]], gammas, 0.1)
    np.testing.assert_allclose(found.mean, plain.mean, rtol=1e-12)
    assert found.neg_log_evidence == pytest.approx(plain.neg_log_evidence, rel=1e-12)


def test_huge_range_of_gammas():
    Y, factors, _ = problem([(6, 3), (5, 2)])
    gammas = [np.array([1e-12, 1.0, 1e12]), np.array([1e-6, 1e6])]
    mean, variance, evidence = exact_posterior(Y, factors, gammas, 0.1)
    found = kronecker_posterior(Y, factors, gammas, 0.1)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-8)
    np.testing.assert_allclose(found.variance, variance, rtol=1e-8)
    assert found.neg_log_evidence == pytest.approx(evidence, rel=1e-10)


@pytest.mark.parametrize(
    ("dtype", "expected"), [("float32", "float32"), ("complex64", "float32"), ("int64", "float64")]
)
def test_dtypes(dtype, expected):
    Y, factors, gammas = problem([(6, 3), (5, 2)], dtype == "complex64")
    Y, factors = (10 * Y).astype(dtype), [(10 * factor).astype(dtype) for factor in factors]
    found = kronecker_posterior(Y, factors, gammas, 0.1)
    assert found.variance.dtype == expected
    assert found.mean.dtype == ("float64" if dtype == "int64" else dtype)
    wide = complex if dtype == "complex64" else float
    doubles = kronecker_posterior(Y.astype(wide), [f.astype(wide) for f in factors], gammas, 0.1)
    # Solved in double precision and rounded once.
    np.testing.assert_allclose(found.mean, doubles.mean, rtol=2e-7)
    np.testing.assert_allclose(found.variance, doubles.variance, rtol=2e-7)
    assert found.neg_log_evidence == doubles.neg_log_evidence


def test_nothing_is_changed_in_place():
    Y, factors, gammas = problem([(6, 3), (2, 5)])
    before = [array.copy() for array in (Y, *factors, *gammas)]
    for array in (Y, *factors, *gammas):
        array.flags.writeable = False
    kronecker_posterior(Y, factors, gammas, 0.1)
    for array, old in zip((Y, *factors, *gammas), before, strict=True):
        np.testing.assert_array_equal(array, old)


# Invariances


structure = given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 3),
    is_complex=st.booleans(),
    level=st.sampled_from([1e-6, 1e-2, 1.0, 1e2]),
)


def drawn(seed, count, is_complex):
    rng = np.random.default_rng(seed)
    return rng, problem(rng.integers(1, 5, (count, 2)).tolist(), is_complex, seed)


@structure
def test_any_shape(seed, count, is_complex, level):
    _, (Y, factors, gammas) = drawn(seed, count, is_complex)
    check_dense(Y, factors, gammas, level, rtol=1e-6)


@structure
def test_phase(seed, count, is_complex, level):
    rng, (Y, factors, gammas) = drawn(seed, count, is_complex)
    phase = np.exp(1j * rng.uniform(0, 2 * np.pi)) if is_complex else -1.0
    plain = kronecker_posterior(Y, factors, gammas, level)
    turned = kronecker_posterior(phase * Y, factors, gammas, level)
    scale = np.abs(plain.mean).max()
    np.testing.assert_allclose(turned.mean, phase * plain.mean, rtol=0, atol=1e-9 * scale)
    np.testing.assert_allclose(turned.variance, plain.variance, rtol=1e-9)
    assert turned.neg_log_evidence == pytest.approx(plain.neg_log_evidence, rel=1e-9, abs=1e-9)


@structure
def test_scale(seed, count, is_complex, level):
    rng, (Y, factors, gammas) = drawn(seed, count, is_complex)
    c = 10.0 ** rng.uniform(-6, 6)
    plain = kronecker_posterior(Y, factors, gammas, level)
    scaled = [*gammas[:-1], gammas[-1] * c**2]
    found = kronecker_posterior(c * Y, factors, scaled, level * c**2)
    np.testing.assert_allclose(found.mean / c, plain.mean, rtol=0, atol=1e-9 * np.abs(plain.mean).max())
    np.testing.assert_allclose(found.variance / c**2, plain.variance, rtol=1e-9)
    jacobian = len(Y) * np.log(c) * (2 if is_complex else 1)
    assert found.neg_log_evidence == pytest.approx(plain.neg_log_evidence + jacobian, rel=1e-9, abs=1e-9)


@structure
def test_groups_of_factors(seed, count, is_complex, level):
    _, (Y, factors, gammas) = drawn(seed, count, is_complex)
    plain = kronecker_posterior(Y, factors, gammas, level)
    found = kronecker_posterior(Y, [kron(factors)], [kron(gammas)], level)
    np.testing.assert_allclose(found.mean, plain.mean, rtol=0, atol=1e-8 * np.abs(plain.mean).max())
    np.testing.assert_allclose(found.variance, plain.variance, rtol=1e-8)
    assert found.neg_log_evidence == pytest.approx(plain.neg_log_evidence, rel=1e-8, abs=1e-8)


@structure
def test_rotations(seed, count, is_complex, level):
    """Unitary changes of the measurements of each factor change nothing."""
    rng, (Y, factors, gammas) = drawn(seed, count, is_complex)
    turns = [np.linalg.qr(normal(rng, (len(f), len(f)), is_complex))[0] for f in factors]
    plain = kronecker_posterior(Y, factors, gammas, level)
    turned = [Q @ factor for Q, factor in zip(turns, factors, strict=True)]
    found = kronecker_posterior(kron(turns) @ Y, turned, gammas, level)
    np.testing.assert_allclose(found.mean, plain.mean, rtol=0, atol=1e-8 * np.abs(plain.mean).max())
    np.testing.assert_allclose(found.variance, plain.variance, rtol=1e-8)
    assert found.neg_log_evidence == pytest.approx(plain.neg_log_evidence, rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("is_complex", [False, True])
def test_gradient_of_the_evidence(is_complex):
    """Fisher's identity: the derivatives are those of the expected log likelihood."""
    Y, factors, gammas = problem([(3, 4), (5, 2)], is_complex)
    found = kronecker_posterior(Y, factors, gammas, 0.3)
    moments = (np.abs(found.mean) ** 2 + found.variance).reshape(4, 2)
    weight = 1.0 if is_complex else 0.5
    prior = np.outer(*gammas)
    slope = weight * (1 / prior - moments / prior**2)
    expected = np.concatenate([slope @ gammas[1], gammas[0] @ slope])
    numerical = approx_fprime(
        np.concatenate(gammas),
        lambda g: kronecker_posterior(Y, factors, [g[:4], g[4:]], 0.3).neg_log_evidence,
        1e-7,
    )
    np.testing.assert_allclose(numerical, expected, rtol=1e-4, atol=1e-4)


# Other libraries


@pytest.mark.parametrize("is_complex", [False, True])
def test_array_api_strict(is_complex):
    for Y, factors, gammas in (
        problem([(6, 3), (2, 5)], is_complex),
        problem([(6, 3), (2, 5)], is_complex, n_snapshots=2),
    ):
        gammas[1][2] = 0
        found = assert_namespace_preserved(
            lambda Y, A, B, gammas=gammas: kronecker_posterior(Y, [A, B], gammas, 0.1), Y, *factors
        )
        plain = kronecker_posterior(Y, factors, gammas, 0.1)
        np.testing.assert_allclose(np.asarray(found.mean), plain.mean, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(np.asarray(found.variance), plain.variance, rtol=1e-10)
        assert found.neg_log_evidence == pytest.approx(plain.neg_log_evidence, rel=1e-12)


@pytest.mark.parametrize("is_complex", [False, True])
def test_torch(is_complex):
    torch = pytest.importorskip("torch")
    Y, factors, gammas = problem([(6, 3), (2, 5)], is_complex)
    plain = kronecker_posterior(Y, factors, gammas, 0.1)
    tensors = [torch.asarray(f) for f in factors]
    found = kronecker_posterior(torch.asarray(Y), tensors, [torch.asarray(g) for g in gammas], 0.1)
    assert isinstance(found.mean, torch.Tensor)
    assert found.variance.dtype == torch.float64
    np.testing.assert_allclose(found.mean.numpy(), plain.mean, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(found.variance.numpy(), plain.variance, rtol=1e-10)
    with pytest.raises(TypeError, match=r"(?i)librar|torch"):
        kronecker_posterior(Y, tensors, gammas, 0.1)
