"""Condition numbers of eigenvalues, abscissas, the Kreiss constant: closed forms, dense searches."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from spectralkit.nonnormal import (
    eigenvalue_condition,
    kreiss_constant,
    numerical_abscissa,
    pseudospectral_abscissa,
)
from spectralkit.testing import check_ratio
from tests.nonnormal.reference import (
    KINDS,
    UNIT,
    gaussian,
    grcar,
    jordan,
    kreiss_by_search,
    legs,
    matrices,
    shifted_left,
    similar,
    smallest_on_line,
    smallest_singular_values,
    unitary,
)


def norm(A):
    return float(np.linalg.norm(A, 2))


def abscissa(A):
    return float(np.linalg.eigvals(A).real.max())


NORMAL = {
    "diagonal": np.diag([-1.0, -2.0, -3.0]),
    "symmetric": -unitary(8) @ np.diag(np.arange(1.0, 9.0)) @ unitary(8).T,
    "skew": gaussian(6) - gaussian(6).T,
    "circulant": scipy.linalg.circulant(gaussian(7)[0]) - 5.0 * np.eye(7),
    "complex": similar(np.diag(-np.arange(1.0, 6.0) + 1j * np.arange(5))),
    "number": np.array([[-0.5]]),
}
TRANSIENT = {
    "block of two": jordan(2, -0.2),
    "triangular": np.triu(gaussian(6, 2), 1) - np.diag(np.linspace(0.1, 1.0, 6)),
    "grcar": shifted_left(grcar(8)),
    "gaussian": shifted_left(gaussian(5, 4), -0.05),
    "complex": shifted_left(gaussian(6, 2, is_complex=True), -0.02),
    "jordan": jordan(4, -0.5),
    "two blocks": scipy.linalg.block_diag(jordan(2, -0.1), 2.0 * jordan(2, -0.2 + 1j)),
    "rotated": similar(jordan(3, -0.3 + 2.0j)),
}


# Condition numbers of eigenvalues.


@pytest.mark.parametrize("c", [0.0, 1e-8, 1.0, 100.0, 1e8])
@pytest.mark.parametrize("is_complex", [False, True])
def test_condition_of_blocks_of_two(c, is_complex):
    A = np.array([[1.0, c], [0.0, 2.0]]) * (1j if is_complex else 1.0)
    np.testing.assert_allclose(eigenvalue_condition(A), np.hypot(1.0, c), rtol=1e-13)


@pytest.mark.parametrize("name", NORMAL)
def test_condition_of_normal_matrices(name):
    found = eigenvalue_condition(NORMAL[name])
    assert np.all(found >= 1.0)
    np.testing.assert_allclose(found, 1.0, rtol=1e-13)


@pytest.mark.parametrize("n", [2, 4, 9])
def test_condition_of_defective_eigenvalues(n):
    assert np.all(eigenvalue_condition(jordan(n)) > 1e30)
    assert np.all(eigenvalue_condition(jordan(n, 0.3)) > 1e15)


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("n", [1, 2, 7, 30])
def test_condition_is_that_of_the_eigenvectors_in_the_same_order(n, is_complex):
    A = gaussian(n, n, is_complex=is_complex)
    _, V = np.linalg.eig(A)
    inverse = np.linalg.inv(V)
    expected = np.linalg.norm(V, axis=0) * np.linalg.norm(inverse, axis=1)
    np.testing.assert_allclose(eigenvalue_condition(A), expected, rtol=1e-9)


@pytest.mark.parametrize("is_complex", [False, True])
def test_condition_is_how_far_eigenvalues_move(is_complex):
    A = gaussian(6, 1, is_complex=is_complex)
    values, left, right = scipy.linalg.eig(A, left=True)
    found = eigenvalue_condition(A)
    for i, value in enumerate(values):
        h = 1e-6
        worst = h * np.outer(left[:, i], right[:, i].conj())
        moved = np.abs(np.linalg.eigvals(A + worst) - value).min() / h
        assert moved == pytest.approx(found[i], rel=1e-4)
        E = gaussian(6, 50 + i, is_complex=is_complex)
        assert np.abs(np.linalg.eigvals(A + h * E / norm(E)) - value).min() <= h * found[i] * (1.0 + 1e-4)


@given(matrices(max_n=20))
def test_condition_of_any_matrix(A):
    found = eigenvalue_condition(A)
    assert found.shape == (len(A),)
    assert found.dtype == np.float64
    assert np.all(found >= 1.0)  # and no NaN


# The numerical abscissa.


@pytest.mark.parametrize("A", [*TRANSIENT.values(), *NORMAL.values(), legs(12)[0], gaussian(9)])
def test_numerical_abscissa_is_the_initial_growth(A):
    h = 1e-7 / norm(A)
    growth = (norm(scipy.linalg.expm(h * A)) - 1.0) / h
    assert numerical_abscissa(A) == pytest.approx(growth, abs=1e-6 * norm(A))


@given(matrices())
def test_numerical_abscissa_of_any_matrix(A):
    found = numerical_abscissa(A)
    assert isinstance(found, float)
    scale = np.abs(A).max() or 1.0
    B = A / scale
    expected = np.linalg.eigvalsh((B + B.conj().T) / 2.0)[-1]
    check_ratio(abs(found / scale - expected), norm(B), len(A), A.dtype)


def test_numerical_abscissa_in_closed_form():
    assert numerical_abscissa(jordan(2, -1.0) * 4.0) == pytest.approx(-2.0)
    for n in (3, 8, 50):
        assert numerical_abscissa(jordan(n)) == pytest.approx(np.cos(np.pi / (n + 1)), rel=1e-13)
    assert numerical_abscissa(legs(40)[0]) == pytest.approx(-0.5, abs=1e-11)


# The pseudospectral abscissa.


@pytest.mark.parametrize("eps", [1e-6, 1e-3, 0.1, 1.0, 30.0])
@pytest.mark.parametrize(("diagonal", "c"), [(-1.0, 10.0), (0.0, 1.0), (2.0, 0.1), (-3.0 + 4.0j, 5.0)])
def test_pseudospectral_abscissa_of_blocks_of_two(diagonal, c, eps):
    A = np.array([[diagonal, c], [0.0, diagonal]])
    expected = np.real(diagonal) + np.sqrt(eps**2 + c * eps)
    assert pseudospectral_abscissa(A, eps) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("eps", [1e-8, 1e-3, 1.0, 100.0])
@pytest.mark.parametrize("A", [*NORMAL.values(), np.zeros((3, 3)), np.eye(4)])
def test_pseudospectral_abscissa_of_normal_matrices(A, eps):
    found = pseudospectral_abscissa(A, eps)
    assert isinstance(found, float)
    assert found == pytest.approx(abscissa(A) + eps, abs=1e-13 * (norm(A) + eps))


@pytest.mark.parametrize("eps", [1e-4, 1e-2, 0.3])
@pytest.mark.parametrize("A", TRANSIENT.values(), ids=TRANSIENT)
def test_pseudospectral_abscissa_by_search(A, eps):
    found = pseudospectral_abscissa(A, eps)
    assert found > abscissa(A)
    assert smallest_on_line(A, found) == pytest.approx(eps, rel=1e-6)


@given(st.integers(1, 12), st.integers(0, 10**6), st.booleans(), st.sampled_from([1e-5, 1e-2, 1.0]))
def test_no_perturbation_reaches_further(n, seed, is_complex, eps):
    A = gaussian(n, seed, is_complex=is_complex)
    found = pseudospectral_abscissa(A, eps)
    assert abscissa(A) + eps - 1e-9 <= found <= numerical_abscissa(A) + eps + 1e-9
    for trial in range(5):
        u, v = unitary(n, trial, is_complex=True)[:, 0], unitary(n, trial + 9, is_complex=True)[:, 0]
        assert abscissa(A + eps * np.outer(u, v.conj())) <= found + 1e-9


@pytest.mark.parametrize("eps", [1e-6, 1e-3, 0.1])
@pytest.mark.parametrize("A", [legs(20)[0], grcar(30), jordan(30, -1.0), gaussian(40), legs(40)[0]])
def test_pseudospectral_abscissa_of_larger_matrices(A, eps):
    found = pseudospectral_abscissa(A, eps * norm(A))
    assert smallest_on_line(A, found) == pytest.approx(eps * norm(A), rel=1e-5)


@pytest.mark.parametrize("A", TRANSIENT.values(), ids=TRANSIENT)
def test_pseudospectral_abscissa_grows_with_eps(A):
    eps = np.geomspace(1e-8, 10.0, 15) * norm(A)
    found = np.array([pseudospectral_abscissa(A, e) for e in eps])
    # Faster than eps itself, and from the spectral towards the numerical abscissa.
    assert np.all(np.diff(found) >= np.diff(eps) * (1.0 - 1e-6) - 1e-12 * norm(A))
    assert found[-1] == pytest.approx(eps[-1] + numerical_abscissa(A), abs=0.2 * norm(A))


@pytest.mark.parametrize("A", TRANSIENT.values(), ids=TRANSIENT)
def test_pseudospectral_abscissa_is_invariant(A):
    expected = pseudospectral_abscissa(A, 0.01)
    allowed = 1e-7 * norm(A)
    assert pseudospectral_abscissa(similar(A), 0.01) == pytest.approx(expected, abs=allowed)
    assert pseudospectral_abscissa(A.conj(), 0.01) == pytest.approx(expected, abs=allowed)
    assert pseudospectral_abscissa(A.T, 0.01) == pytest.approx(expected, abs=allowed)
    assert pseudospectral_abscissa(A + (2.0 - 3.0j) * np.eye(len(A)), 0.01) == pytest.approx(
        expected + 2.0, abs=allowed
    )
    for scale in (1e-200, 1e-9, 1e200):
        found = pseudospectral_abscissa(scale * A, scale * 0.01) / scale
        assert found == pytest.approx(expected, abs=allowed)


def test_pseudospectral_abscissa_of_extreme_sizes():
    A = jordan(3, -1.0)
    assert pseudospectral_abscissa(A, 1e200) == pytest.approx(1e200, rel=1e-14)
    assert pseudospectral_abscissa(A, 1e308) == pytest.approx(1e308, rel=1e-14)
    assert pseudospectral_abscissa(A, 5e-324) == pytest.approx(-1.0, abs=1e-4)
    assert pseudospectral_abscissa(np.zeros((2, 2)), 1e-300) == pytest.approx(1e-300)
    assert pseudospectral_abscissa(1e-300 * A, 1.0) == pytest.approx(1.0, rel=1e-14)


# The Kreiss constant.


@pytest.mark.parametrize("c", [2.1, 3.0, 10.0, 1e3, 1e6])
def test_kreiss_constant_of_blocks_of_two(c):
    expected = c / 4.0 + 1.0 / c
    for scale in (1.0, 1e-200, 7.0, 1e200):
        A = scale * np.array([[-1.0, c], [0.0, -1.0]])
        assert kreiss_constant(A) == pytest.approx(expected, rel=1e-6)
        assert kreiss_constant(A + 3j * scale * np.eye(2)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("A", [*NORMAL.values(), np.zeros((3, 3)), np.zeros((1, 1)), jordan(2, -0.5)])
def test_kreiss_constant_without_growth(A):
    A = A - max(0.0, abscissa(A)) * np.eye(len(A))
    assert kreiss_constant(A) == 1.0


@pytest.mark.parametrize(
    "A",
    [
        np.array([[1e-3]]),
        np.diag([-1.0, 1e-6]),
        jordan(2),
        jordan(3, 1j),
        jordan(6, 0.5),
        scipy.linalg.block_diag(jordan(2), -1.0),
        grcar(10),
        gaussian(20) + 9.0 * np.eye(20),
    ],
)
def test_kreiss_constant_of_unstable_matrices(A):
    assert kreiss_constant(A) == np.inf
    assert kreiss_constant(similar(A)) == np.inf


@pytest.mark.parametrize("A", TRANSIENT.values(), ids=TRANSIENT)
def test_kreiss_constant_by_search(A):
    found = kreiss_constant(A)
    assert isinstance(found, float)
    assert found > 1.0
    assert found == pytest.approx(kreiss_by_search(A), rel=1e-4)
    # It is the largest ratio of the abscissas to eps.
    ratios = [pseudospectral_abscissa(A, eps) / eps for eps in norm(A) * np.geomspace(1e-5, 10.0, 40)]
    assert max(ratios) <= found * (1.0 + 1e-6)
    assert max(ratios) >= 0.9 * found


@pytest.mark.parametrize("A", [*TRANSIENT.values(), shifted_left(grcar(20)), shifted_left(gaussian(30))])
def test_kreiss_matrix_theorem(A):
    t = np.concatenate([np.linspace(0.0, 60.0, 600), np.geomspace(60.0, 1e4, 60)]) / norm(A)
    growth = max(norm(scipy.linalg.expm(s * A)) for s in t)
    found = kreiss_constant(A)
    assert found <= growth * (1.0 + 1e-2)
    assert growth <= np.e * len(A) * found
    assert growth > 1.0


@pytest.mark.parametrize("A", TRANSIENT.values(), ids=TRANSIENT)
def test_kreiss_constant_is_invariant(A):
    expected = kreiss_constant(A)
    for B in (1e-200 * A, 3.0 * A, 1e200 * A, similar(A), A.T, A.conj(), A + 0.7j * np.eye(len(A))):
        assert kreiss_constant(B) == pytest.approx(expected, rel=1e-4)
    assert kreiss_constant(scipy.linalg.block_diag(A, -np.eye(2))) == pytest.approx(expected, rel=1e-4)


@given(st.integers(2, 8), st.integers(0, 10**6), st.booleans(), st.sampled_from([1e-3, 0.1, 1.0]))
def test_kreiss_constant_is_not_missed(n, seed, is_complex, distance):
    A = shifted_left(gaussian(n, seed, is_complex=is_complex), -distance)
    rng = np.random.default_rng(seed)
    z = norm(A) * (10.0 ** rng.uniform(-4, 1, 2000) + 1j * rng.uniform(-1, 1, 2000))
    lower = np.max(z.real / smallest_singular_values(A, z))
    assert kreiss_constant(A) >= max(lower, 1.0) * (1.0 - 1e-6)


# Arrays.

FUNCTIONS = {
    "condition": eigenvalue_condition,
    "numerical": numerical_abscissa,
    "pseudospectral": lambda A: pseudospectral_abscissa(A, 0.1),
    "kreiss": kreiss_constant,
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("name", ["gaussian", "complex"])
def test_layout_does_not_matter_and_input_stays(function, name):
    A = TRANSIENT[name]
    expected = function(A.copy())
    n = len(A)
    read_only = A.copy()
    read_only.flags.writeable = False
    strided = np.zeros((2 * n, 3 * n), A.dtype)[::2, ::3]
    strided[...] = A
    for given_ in (read_only, np.asfortranarray(A), strided, A.tolist()):
        np.testing.assert_allclose(function(given_), expected, rtol=1e-7)
        np.testing.assert_array_equal(given_, A)


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("name", ["gaussian", "complex"])
def test_single_precision(function, name):
    A = TRANSIENT[name].astype(np.complex64 if name == "complex" else np.float32)
    found, expected = function(A), function(A.astype(complex if name == "complex" else float))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    if function is eigenvalue_condition:
        assert found.dtype == np.float32


@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds(kind):
    A = KINDS[kind](12, np.random.default_rng(1))
    spectral, size = abscissa(A), norm(A)
    reach = pseudospectral_abscissa(A, 0.1 * size or 1.0)
    rounding = 1e-6 * size  # of the eigenvalues of matrices far from normal, more or less
    assert spectral + 0.1 * size - rounding <= reach
    assert reach <= numerical_abscissa(A) + (0.1 * size or 1.0) + 100.0 * UNIT * size
    stable = A - (numerical_abscissa(A) + 1e-9 * size) * np.eye(12)
    assert kreiss_constant(stable) == 1.0


@pytest.mark.parametrize(
    ("seed", "peak"),
    [
        (144, 9.733137e-05 - 0.8806252485746j),  # narrow: 3 % lower where steps in Im z are not small enough
        (641, 7.346855e-05 + 0.7959474100694j),
        (842, 9.268763e-05 + 0.8205135476006j),  # from the second highest, by a line through that
    ],
)
def test_kreiss_constant_of_narrow_peaks(seed, peak):
    rng = np.random.default_rng(seed)
    heights, sizes = rng.uniform(-1, 1, 4), 10.0 ** rng.uniform(-4, 0, 4)
    chain = np.eye(3) - np.diag([1.0, 1.0], 1)
    blocks = [1j * y * np.eye(3) - size * chain for y, size in zip(heights, sizes, strict=True)]
    A = scipy.linalg.block_diag(*blocks)
    A = A + 0.1 * np.triu(rng.standard_normal(A.shape), 1) * np.abs(A).max()
    lower = peak.real / np.linalg.svd(peak * np.eye(12) - A, compute_uv=False)[-1]
    assert kreiss_constant(A) >= (1.0 - 1e-6) * lower


@pytest.mark.parametrize("coupling", [1e3, 1e5, 1e6])
def test_kreiss_constant_of_an_eigenvalue_on_the_axis(coupling):
    """Its limit at the axis is the norm of the spectral projector, however large."""
    assert kreiss_constant([[0.0, coupling], [0.0, -1.0]]) == pytest.approx(np.hypot(1, coupling), rel=1e-2)
    assert kreiss_constant([[0.0, coupling], [0.0, 0.0]]) == np.inf


@pytest.mark.parametrize("stiffness", [1e2, 1e6, 1e8])
def test_kreiss_constant_of_stiff_matrices(stiffness):
    slow = np.array([[-1e-3, 1.0], [0.0, -1e-3]])
    A = scipy.linalg.block_diag(-stiffness, slow)
    assert kreiss_constant(A) == pytest.approx(kreiss_constant(slow), rel=1e-4)
    assert kreiss_constant(slow) == pytest.approx(250.001, rel=1e-6)
