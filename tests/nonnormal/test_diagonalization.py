"""Perturb then diagonalize: certified backward errors, and condition numbers that stay small."""

import warnings

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from spectralkit.nonnormal import (
    DiagonalizationResult,
    IllConditionedWarning,
    eigenvalue_condition,
    numerical_abscissa,
    perturb_then_diagonalize,
)
from spectralkit.nonnormal._diagonalize import _gradient, _Problem
from spectralkit.testing import check_ratio
from tests.nonnormal import reference
from tests.nonnormal.reference import UNIT, gaussian, grcar, jordan, legs, matrices, unitary


def norm(A):
    return float(np.linalg.norm(A, 2))


def rebuilt(result):
    return (result.eigenvectors * result.eigenvalues) @ result.inverse_eigenvectors


def objective(result):
    """The sum of the squared condition numbers of the eigenvalues."""
    return float(np.sum(np.linalg.norm(result.inverse_eigenvectors, axis=1) ** 2))


def check_decomposition(A, eps, result):
    """Everything that holds for any matrix, recomputed from the arrays that came back."""
    n, is_complex = len(A), np.iscomplexobj(A)
    scale = 2.0 ** np.floor(np.log2(np.abs(A).max() or 1.0))
    V, inverse, E = result.eigenvectors, result.inverse_eigenvectors, result.perturbation
    values, E, A = result.eigenvalues / scale, E / scale, A / scale
    size = norm(A)
    assert E.dtype == A.dtype
    assert V.dtype == inverse.dtype == values.dtype == complex
    assert norm(E) <= eps * size * (1.0 + 1e-12)
    condition = norm(V) * norm(inverse)
    assert result.condition == pytest.approx(condition, rel=1e-6)
    assert result.condition <= 4.0 * n**1.5 * (1.0 + 1.0 / eps)
    product = (V * values) @ inverse
    check_ratio(norm(product - (A + E)), (size + norm(E)) * condition, n, A.dtype)
    check_ratio(norm(V @ inverse - np.eye(n)), condition, n, A.dtype)
    error = norm(A - product) / (size or 1.0)
    assert error <= eps * (1.0 + 1e-6) + 10.0 * n * UNIT * condition * max(1.0, eps)
    assert result.backward_error == pytest.approx(error, rel=1e-6, abs=n * UNIT * condition)
    check_ratio(np.abs(np.linalg.norm(V, axis=0) - 1.0).max(), 1.0, n, A.dtype)
    assert result.spectral_abscissa == pytest.approx((values * scale).real.max(), rel=1e-15)
    if not is_complex:
        check_conjugate_pairs(result)


def check_conjugate_pairs(result):
    """Pairs stand together and are exact; vectors of real eigenvalues are real."""
    values, V, inverse = result.eigenvalues, result.eigenvectors, result.inverse_eigenvectors
    i = np.flatnonzero(values.imag > 0.0)
    np.testing.assert_array_equal(i + 1, np.flatnonzero(values.imag < 0.0))
    np.testing.assert_array_equal(values[i + 1], values[i].conj())
    np.testing.assert_array_equal(V[:, i + 1], V[:, i].conj())
    np.testing.assert_array_equal(inverse[i + 1], inverse[i].conj())
    on_axis = values.imag == 0.0
    assert not V[:, on_axis].imag.any()
    assert not inverse[on_axis].imag.any()


# Figures to be reached.


@pytest.mark.parametrize("rng", [0, 1, 7])
@pytest.mark.parametrize(
    ("eps", "optimized", "random"), [(0.1, 6.0, 30.0), (0.01, 25.0, 250.0), (0.001, 180.0, 4000.0)]
)
def test_legs(eps, optimized, random, rng):
    A = legs(64)[0]
    for method, bar in (("optimize", optimized), ("random", random)):
        result = perturb_then_diagonalize(A, eps, method=method, rng=rng)
        check_decomposition(A, eps, result)
        assert result.condition <= bar
        assert result.spectral_abscissa <= -0.499
        assert result.converged


@pytest.mark.parametrize("rng", range(5))
def test_random_perturbations_alone_keep_legs_stable(rng):
    A = legs(64)[0]
    result = perturb_then_diagonalize(A, 0.01, n_trials=1, rng=rng)
    check_decomposition(A, 0.01, result)
    assert result.spectral_abscissa <= -0.499
    assert result.condition <= 1000.0  # four times what the best of several reaches


def test_unstructured_perturbations_do_not_keep_stability():
    A = legs(64)[0]
    result = perturb_then_diagonalize(A, 0.1, structure="none", n_trials=1, rng=0)
    check_decomposition(A, 0.1, result)
    assert result.spectral_abscissa > 1.0


@pytest.mark.parametrize("eps", [1e-1, 1e-2, 1e-4])
@pytest.mark.parametrize("n", [8, 13, 32, 64])
def test_jordan_blocks(n, eps):
    for A in (jordan(n), jordan(n).T, 1j * jordan(n)):
        result = perturb_then_diagonalize(A, eps, rng=0)
        check_decomposition(A, eps, result)
        assert result.condition <= 1.05 * eps ** (-(n - 1) / n)
        # No perturbation of that norm does better by more than this.
        assert result.condition >= 0.5 * eps ** (-(n - 1) / n)


# Any matrix.


@given(
    matrices(),
    st.sampled_from([1e-1, 1e-3, 1e-6]),
    st.sampled_from(["auto", "none", "skew"]),
    st.integers(0, 9),
)
def test_any_matrix(A, eps, structure, rng):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IllConditionedWarning)
        result = perturb_then_diagonalize(A, eps, structure=structure, rng=rng)
    check_decomposition(A, eps, result)


@given(matrices(max_n=12), st.sampled_from([1e-1, 1e-3]), st.integers(0, 9))
def test_descent_from_any_matrix(A, eps, rng):
    start = perturb_then_diagonalize(A, eps, rng=rng)
    result = perturb_then_diagonalize(A, eps, method="optimize", rng=rng)
    check_decomposition(A, eps, result)
    assert objective(result) <= objective(start) * (1.0 + 1e-9)


@pytest.mark.parametrize("n", [1, 2, 5, 16])
@pytest.mark.parametrize("kind", reference.KINDS)
@pytest.mark.parametrize("is_complex", [False, True])
def test_each_kind(kind, n, is_complex):
    rng = np.random.default_rng(n)
    A = reference.KINDS[kind](n, rng)
    A = A * np.exp(2j * np.pi * rng.random((n, n))) if is_complex else A
    check_decomposition(A, 1e-2, perturb_then_diagonalize(A, 1e-2, rng=0))


@pytest.mark.parametrize("A", [jordan(20), gaussian(15), gaussian(9, is_complex=True), grcar(24)])
def test_descent_goes_down(A):
    found = [perturb_then_diagonalize(A, 0.05, rng=3)]
    for max_iter in (1, 4, 150):
        found.append(perturb_then_diagonalize(A, 0.05, method="optimize", max_iter=max_iter, rng=3))
    sums = [objective(result) for result in found]
    assert sums == sorted(sums, reverse=True)
    assert sums[-1] < sums[0]
    assert found[1].n_iter == 1
    assert not found[1].converged
    assert "after max_iter=1 steps" in found[1].status


def test_rows_of_very_different_sizes():
    # LAPACK balances such matrices, and its backward error is that of the balanced one.
    for seed in range(20):
        rng = np.random.default_rng(seed)
        A = rng.standard_normal((8, 8)) * 10.0 ** -rng.integers(0, 12, (8, 1))
        result = perturb_then_diagonalize(A, 1e-3, rng=0)
        error = norm(A - rebuilt(result)) / norm(A)
        assert error <= 1e-3 * (1.0 + 1e-6)
        assert result.backward_error == pytest.approx(error, rel=1e-9)


def test_more_trials_are_no_worse():
    A = gaussian(12)
    sums = [objective(perturb_then_diagonalize(A, 0.01, n_trials=k, rng=0)) for k in (1, 2, 4, 8, 40)]
    assert sums == sorted(sums, reverse=True)
    assert sums[-1] < sums[0]


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("n", [2, 3, 7, 20])
def test_skew_perturbations_keep_the_hermitian_part(n, is_complex):
    A = gaussian(n, n, is_complex=is_complex) - 3.0 * n * np.eye(n) * (1j if is_complex else 1.0)
    for method in ("random", "optimize"):
        result = perturb_then_diagonalize(A, 0.1, structure="skew", method=method, rng=1)
        E = result.perturbation
        assert n < 7 or norm(E) > 0.0  # of order 2 and 3 these gain nothing
        np.testing.assert_array_equal(E, -E.conj().T)
        B = A + E
        ulp = np.spacing(np.maximum(np.abs(A), np.abs(B)))
        # Three sums round, each by half a unit in its last place.
        assert np.all(np.abs((B + B.conj().T) - (A + A.conj().T)) <= 2.0 * (ulp + ulp.T))
        assert result.spectral_abscissa <= numerical_abscissa(A) + 30.0 * n * UNIT * norm(A)


@pytest.mark.parametrize("is_complex", [False, True])
def test_structure_is_skew_where_the_matrix_is_dissipative(is_complex):
    A = gaussian(10, is_complex=is_complex)
    for shift, structure in ((-20.0, "skew"), (20.0, "none")):
        B = A + shift * np.eye(10)
        auto = perturb_then_diagonalize(B, 0.01, rng=0)
        named = perturb_then_diagonalize(B, 0.01, structure=structure, rng=0)
        np.testing.assert_array_equal(auto.perturbation, named.perturbation)


# Normal matrices, and those that need no perturbation.


def circulant(n):
    return scipy.linalg.circulant(gaussian(n)[0])


NORMAL = {
    "identity": np.eye(6),
    "diagonal": np.diag([3.0, -1.0, 3.0, 0.0]),
    "symmetric": gaussian(13) + gaussian(13).T,
    "projection": unitary(9)[:, :4] @ unitary(9)[:, :4].T,
    "skew": gaussian(12) - gaussian(12).T,
    "skew, odd": gaussian(13) - gaussian(13).T,
    "rotation": np.array([[0.0, -1.0], [1.0, 0.0]]),
    "orthogonal": unitary(15),
    "circulant": circulant(16),
    "permutation": np.eye(8)[[1, 2, 0, 4, 3, 5, 7, 6]],
    "Hermitian": gaussian(7, is_complex=True) + gaussian(7, is_complex=True).conj().T,
    "unitary": unitary(9, is_complex=True),
    "complex": reference.similar(np.diag(gaussian(11, is_complex=True)[0])),
    "repeated": reference.similar(np.diag([1j, 1j, 1j, 2.0, 2.0])),
    "equal pairs": np.kron(np.eye(3), [[0.0, -1.0], [1.0, 0.0]]),
}


@pytest.mark.parametrize("method", ["random", "optimize"])
@pytest.mark.parametrize("A", NORMAL.values(), ids=NORMAL)
def test_normal_matrices_are_not_perturbed(A, method):
    for scale in (1.0, 1e-150, 1e150):
        result = perturb_then_diagonalize(scale * A, 0.1, method=method, rng=0)
        V = result.eigenvectors
        assert not result.perturbation.any()
        assert result.condition == pytest.approx(1.0, abs=1e-13)
        assert result.n_iter == 0
        check_ratio(norm(V.conj().T @ V - np.eye(len(A))), 1.0, len(A), V.dtype)
        check_decomposition(scale * A, 1e-9, result)
        assert result.backward_error < 1e-13


@pytest.mark.parametrize("method", ["random", "optimize"])
@pytest.mark.parametrize("is_complex", [False, True])
def test_no_perturbation_where_it_does_harm(is_complex, method):
    A = np.diag(np.arange(1.0, 13.0)) + 1e-8 * np.triu(gaussian(12, is_complex=is_complex), 1)
    result = perturb_then_diagonalize(A, 0.1, method=method, rng=0)
    assert not result.perturbation.any()
    assert result.converged
    check_decomposition(A, 1e-9, result)


@given(st.integers(1, 12), st.integers(0, 10**6), st.sampled_from(["random", "optimize"]), st.booleans())
def test_never_worse_than_no_perturbation(n, seed, method, is_complex):
    A = gaussian(n, seed, is_complex=is_complex)
    result = perturb_then_diagonalize(A, 1e-3, method=method, rng=seed)
    assert objective(result) <= np.sum(eigenvalue_condition(A) ** 2) * (1.0 + 1e-6)


# Invariance.

CASES = {
    "real": gaussian(10),
    "complex": gaussian(10, is_complex=True),
    "legs": legs(12)[0],
    "jordan": jordan(9, 2.0),
}


@pytest.mark.parametrize("method", ["random", "optimize"])
@pytest.mark.parametrize("A", CASES.values(), ids=CASES)
def test_scaling(A, method):
    result = perturb_then_diagonalize(A, 0.01, method=method, rng=0)
    for power in (-900, -3, 5, 900):
        c = 2.0**power
        scaled = perturb_then_diagonalize(c * A, 0.01, method=method, rng=0)
        np.testing.assert_array_equal(scaled.eigenvalues, c * result.eigenvalues)
        np.testing.assert_array_equal(scaled.eigenvectors, result.eigenvectors)
        np.testing.assert_array_equal(scaled.perturbation, c * result.perturbation)
        assert scaled.condition == result.condition
        assert scaled.backward_error == result.backward_error
    scaled = perturb_then_diagonalize(3.0 * A, 0.01, method=method, rng=0)
    assert scaled.condition == pytest.approx(result.condition, rel=1e-6)


@pytest.mark.parametrize("A", [legs(12)[0], jordan(9), gaussian(10)], ids=["legs", "jordan", "gaussian"])
def test_unitary_similarity_keeps_the_optimum(A):
    condition = perturb_then_diagonalize(A, 0.05, method="optimize", n_trials=20, rng=0).condition
    B = reference.similar(A)
    assert perturb_then_diagonalize(
        B, 0.05, method="optimize", n_trials=20, rng=0
    ).condition == pytest.approx(condition, rel=1e-2)


@pytest.mark.parametrize("A", CASES.values(), ids=CASES)
def test_layout_does_not_matter_and_input_stays(A):
    n = len(A)
    read_only = A.copy()
    read_only.flags.writeable = False
    strided = np.zeros((2 * n, 3 * n), A.dtype)[::2, ::3]
    strided[...] = A
    expected = perturb_then_diagonalize(A.copy(), 0.01, rng=0)
    for given_ in (read_only, np.asfortranarray(A), strided, A[::-1, ::-1].copy()[::-1, ::-1]):
        result = perturb_then_diagonalize(given_, 0.01, rng=0)
        np.testing.assert_array_equal(given_, A)
        np.testing.assert_allclose(result.perturbation, expected.perturbation, rtol=1e-9, atol=1e-12)
        assert result.condition == pytest.approx(expected.condition, rel=1e-9)


def test_integers_and_lists():
    result = perturb_then_diagonalize([[0, 1], [0, 0]], 0.01, rng=0)
    assert result.perturbation.dtype == np.float64
    assert result.condition == pytest.approx(10.0, rel=0.01)


@pytest.mark.parametrize("A", CASES.values(), ids=CASES)
def test_single_precision(A):
    single = A.astype(np.complex64 if np.iscomplexobj(A) else np.float32)
    result = perturb_then_diagonalize(single, 0.01, rng=0)
    double = perturb_then_diagonalize(single.astype(A.dtype), 0.01, rng=0)
    assert result.perturbation.dtype == single.dtype
    for name in ("eigenvalues", "eigenvectors", "inverse_eigenvectors", "perturbation"):
        found, expected = getattr(result, name), getattr(double, name)
        assert found.dtype.itemsize * 2 == expected.dtype.itemsize
        np.testing.assert_array_equal(found, expected.astype(found.dtype))
    check_ratio(
        norm(rebuilt(result) - single - result.perturbation), norm(A) * result.condition, 10, np.float32
    )
    if not np.iscomplexobj(A):
        check_conjugate_pairs(result)
        assert result.exponential().dtype == np.float32


def test_automatic_eps_is_the_root_of_the_rounding_unit():
    for dtype in (np.float32, np.float64):
        A = jordan(6).astype(dtype)
        result = perturb_then_diagonalize(A, rng=0)
        assert norm(result.perturbation) == pytest.approx(np.sqrt(np.finfo(dtype).eps), rel=1e-6)
        assert result.converged


def test_the_generator_decides():
    A = jordan(9)

    def run(rng, **options):
        return perturb_then_diagonalize(A, 0.01, n_trials=1, rng=rng, **options)

    for options in ({}, {"method": "optimize"}, {"structure": "skew"}):
        assert run(3, **options).eigenvectors.tobytes() == run(3, **options).eigenvectors.tobytes()
        assert run(3, **options).perturbation.tobytes() != run(4, **options).perturbation.tobytes()
        generators = np.random.default_rng(3), np.random.default_rng(3)
        first, second = (run(rng, **options).perturbation.tobytes() for rng in generators)
        assert first == second
    generator = np.random.default_rng(0)
    assert run(generator).perturbation.tobytes() != run(generator).perturbation.tobytes()
    assert run(None).perturbation.tobytes() != run(None).perturbation.tobytes()


# The gradient.


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("n", [2, 5, 12])
def test_gradient(n, is_complex):
    A = gaussian(n, n, is_complex=is_complex)
    problem = _Problem.of(A, 0.1, "none")
    start = 0.1 * gaussian(n, 50 + n, is_complex=is_complex)
    slope = _gradient(problem.decompose(start))
    assert slope.dtype == A.dtype
    for seed in range(3):
        direction = gaussian(n, 100 + seed, is_complex=is_complex)
        h = 1e-6
        up, down = (problem.decompose(start + s * h * direction).objective for s in (1.0, -1.0))
        expected = np.sum(slope.conj() * direction).real
        assert (up - down) / (2.0 * h) == pytest.approx(expected, rel=1e-5, abs=1e-5 * norm(slope))


def test_objective_is_the_sum_of_squared_condition_numbers():
    for A in (gaussian(9), gaussian(9, is_complex=True), grcar(12)):
        found = _Problem.of(A, 0.1, "none").decompose(np.zeros_like(A)).objective
        assert found == pytest.approx(np.sum(eigenvalue_condition(A) ** 2), rel=1e-9)


# Sequence models.


def kernel_error(vectors, n, t):
    """The largest error of kernels with random outputs of unit norm, relative to the largest kernel."""
    C = gaussian(n, 5)
    C /= np.linalg.norm(C, axis=0)
    exact = reference.legs_kernel(n, t) @ C
    return float(np.abs(vectors @ C - exact).max() / np.abs(exact).max())


@pytest.mark.parametrize("n", [16, 32, 64, 128])
@pytest.mark.parametrize("options", [{}, {"n_trials": 1}, {"structure": "none"}])
def test_the_kernel_of_legs_is_reproduced(n, options):
    A, B = legs(n)
    t = np.append(0.0, np.geomspace(1e-6, 10.0, 40))
    result = perturb_then_diagonalize(A, rng=0, **options)
    kernel = np.array([result.apply(lambda values, s=s: np.exp(s * values)) @ B for s in t])
    assert kernel_error(kernel, n, t) < 1e-6
    assert result.converged
    np.testing.assert_array_equal(kernel[3], result.exponential(t[3]) @ B)


@pytest.mark.parametrize("n", [16, 32, 64, 128])
def test_the_normal_part_of_legs_has_another_kernel(n):
    A, B = legs(n)
    P = np.sqrt(np.arange(n) + 0.5)
    t = np.append(0.0, np.geomspace(1e-6, 10.0, 40))
    result = perturb_then_diagonalize(A + np.outer(P, P), rng=0)
    assert not result.perturbation.any()
    assert kernel_error(np.array([result.exponential(s) @ (0.5 * B) for s in t]), n, t) > 0.5


def test_eig_cannot_do_it():
    A, B = legs(64)
    values, V = np.linalg.eig(A)
    product = (V * np.exp(values)) @ np.linalg.solve(V, B)
    t = np.ones(1)
    assert not kernel_error(product[None], 64, t) < 0.5


# Functions of the matrix.

FUNCTIONS = {
    "real": gaussian(9, 1),
    "complex": gaussian(9, 2, is_complex=True),
    "jordan": jordan(8, 1.5),
    "symmetric": gaussian(6) + gaussian(6).T,
    "single": np.array([[2.0]]),
}


@pytest.mark.parametrize("A", FUNCTIONS.values(), ids=FUNCTIONS)
def test_functions_of_the_matrix(A):
    result = perturb_then_diagonalize(A, 1e-2, rng=0)
    B, n = A + result.perturbation, len(A)
    expected = {
        "exponential": (result.exponential(0.7), scipy.linalg.expm(0.7 * B)),
        "default": (result.exponential(), scipy.linalg.expm(B)),
        "cosine": (result.apply(np.cos), scipy.linalg.cosm(B)),
        "square": (result.power(2), B @ B),
        "fifth": (result.power(5), np.linalg.matrix_power(B, 5)),
        "inverse": (result.power(-1), np.linalg.inv(B)),
        "none": (result.power(0), np.eye(n)),
        "identity": (result.apply(lambda values: values), B),
        "resolvent": (result.resolvent(20.0), np.linalg.inv(20.0 * np.eye(n) - B)),
    }
    for found, reference_ in expected.values():
        assert np.isrealobj(found) == np.isrealobj(A)
        size = norm(reference_) + norm(B) * (1.0 + norm(scipy.linalg.expm(B)))
        check_ratio(norm(found - reference_), size * result.condition**2, n, A.dtype)
    z = 3.0 + 2.0j
    found, reference_ = result.resolvent(z), np.linalg.inv(z * np.eye(n) - B)
    assert np.iscomplexobj(found)
    check_ratio(norm(found - reference_), norm(reference_) * result.condition, n, A.dtype)


def test_roots():
    positive = jordan(5, 2.0)
    result = perturb_then_diagonalize(positive, 1e-3, rng=0)
    root = result.power(0.5)
    assert np.isrealobj(root)
    np.testing.assert_allclose(root @ root, positive + result.perturbation, atol=1e-10)
    result = perturb_then_diagonalize(np.diag([-4.0, 9.0, 1.0]), rng=0)
    root = result.apply(np.sqrt)
    assert np.iscomplexobj(root)
    np.testing.assert_allclose(root, np.diag([2j, 3.0, 1.0]), atol=1e-14)
    np.testing.assert_array_equal(result.power(0.5), root)


def test_functions_of_a_real_matrix_that_are_complex():
    result = perturb_then_diagonalize(gaussian(7), 1e-2, rng=0)
    B = gaussian(7) + result.perturbation
    assert np.any(result.eigenvalues.imag)
    found = result.apply(lambda values: np.exp(1j * values))
    assert np.iscomplexobj(found)
    np.testing.assert_allclose(found, scipy.linalg.expm(1j * B), atol=1e-10)
    # Real images are complex only where those of a pair differ.
    assert np.isrealobj(result.apply(np.abs))
    assert np.iscomplexobj(result.apply(np.angle))


@pytest.mark.parametrize("A", FUNCTIONS.values(), ids=FUNCTIONS)
def test_resolvent_has_poles(A):
    result = perturb_then_diagonalize(A, 1e-2, rng=0)
    for pole in result.eigenvalues:
        with pytest.raises(np.linalg.LinAlgError, match="the resolvent has a pole at z="):
            result.resolvent(pole)


# What is reported.


@pytest.mark.parametrize("eps", [1e-300, 5e-324])
def test_perturbations_that_change_nothing(eps):
    with pytest.raises(np.linalg.LinAlgError, match="eigenvectors are dependent after perturbations of"):
        perturb_then_diagonalize(jordan(5), eps, rng=0)


def test_perturbations_larger_than_the_matrix():
    result = perturb_then_diagonalize(jordan(5), 1e5, rng=0)
    check_decomposition(jordan(5), 1e5, result)
    assert result.converged


def test_warning_where_rounding_is_larger():
    with pytest.warns(IllConditionedWarning) as caught:
        result = perturb_then_diagonalize(legs(64)[0], 1e-12, rng=0)
    message = str(caught[0].message)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert f"the backward error is {result.backward_error:.2g} where eps=1e-12 was asked for" in message
    assert f"condition number {result.condition:.2g}" in message
    assert "Raise eps: rounding and perturbation balance near 1e-08" in message
    assert result.backward_error > 1e-12
    assert not result.converged
    assert "Raise eps" in result.status


def test_status_and_repr():
    result = perturb_then_diagonalize(legs(16)[0], 0.01, rng=0)
    assert isinstance(result, DiagonalizationResult)
    assert result.converged
    assert f"The backward error is {result.backward_error:.2g} (eps=0.01)" in result.status
    assert f"the condition number {result.condition:.3g}" in result.status
    text = repr(result)
    assert text.startswith("DiagonalizationResult\n")
    assert "condition" in text
    assert len(text) < 1000
    with pytest.raises(AttributeError):
        result.condition = 1.0


def test_images_of_a_wrong_shape():
    result = perturb_then_diagonalize(gaussian(4), 0.01, rng=0)
    for function in (np.sum, lambda values: values[:2], lambda values: values[None]):
        with pytest.raises(
            ValueError, match=r"function must be one that maps shape \(4,\) to itself; got shape"
        ):
            result.apply(function)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("exponent", [-8, -1, 2, 99, 100, 101])
def test_powers_of_a_real_matrix_are_real(exponent, dtype):
    A = (-np.eye(6) + 0.3 * np.random.default_rng(0).standard_normal((6, 6))).astype(dtype)
    A = A / np.float32(np.abs(np.linalg.eigvals(A)).max())
    result = perturb_then_diagonalize(A, 1e-6)
    assert {True, False} <= set((result.eigenvalues.imag == 0.0).tolist())
    found = result.power(exponent)
    assert found.dtype == dtype
    expected = np.linalg.matrix_power(np.float64(A + result.perturbation), exponent)
    np.testing.assert_allclose(found, expected, atol=np.sqrt(np.finfo(dtype).eps) * np.abs(expected).max())
