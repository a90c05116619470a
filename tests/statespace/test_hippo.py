"""HiPPO matrices against what their states mean, and LegS against multiple precision."""

import mpmath
import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from spectralkit.statespace import hippo, legs_kernel, legs_transfer_function
from spectralkit.testing import check_ratio

MEASURES = ("legs", "legt", "fout", "lagt")


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("n", [2, 16, 130])
def test_dissipative(measure, n):
    A, _ = hippo(measure, n)
    top = np.linalg.eigvalsh(A + A.T)[-1]
    assert top <= 30 * n * np.finfo(float).eps * np.linalg.norm(A, 2)


def test_published_entries():
    A, B = hippo("legs", 3)
    r = np.sqrt([1.0, 3.0, 5.0])
    assert_array_equal(B, r)
    assert_array_equal(A, [[-1, 0, 0], [-r[1] * r[0], -2, 0], [-r[2] * r[0], -r[2] * r[1], -3]])
    A, B = hippo("lagt", 3)
    assert_array_equal(A, [[-0.5, 0, 0], [-1, -0.5, 0], [-1, -1, -0.5]])
    assert_array_equal(B, 1.0)
    A, B = hippo("legt", 3)
    signs = np.array([[1, -1, 1], [1, 1, -1], [1, 1, 1]])
    assert_array_equal(A, -0.5 * np.outer(r, r) * signs)
    assert_array_equal(B, 0.5 * r)


def test_legs_is_normal_but_for_a_rank_one_term():
    A, _ = hippo("legs", 24)
    P = np.sqrt(np.arange(24) + 0.5)
    S = A + np.outer(P, P)
    check_ratio(np.linalg.norm(S + S.T + np.eye(24)), np.linalg.norm(S), 24, S.dtype)


@pytest.mark.parametrize("degree", [0, 1, 5])
def test_legt_holds_polynomials_on_a_window_exactly(degree):
    """For u = t^degree the coefficients of u on [t - 2, t] obey the equation, though n is finite."""
    n, t = 8, 0.3
    nodes, weights = np.polynomial.legendre.leggauss(20)
    r = np.sqrt(2.0 * np.arange(n) + 1.0)
    P = np.polynomial.legendre.legvander(nodes, n - 1) * r  # 1 - age as the variable

    def state(power, factor):
        return factor * (0.5 * weights * (t - (1.0 - nodes)) ** power) @ P

    A, B = hippo("legt", n)
    rate = state(degree - 1, degree) if degree else np.zeros(n)
    assert_allclose(A @ state(degree, 1.0) + B * t**degree, rate, atol=1e-11)


def test_fout_holds_waves_on_a_window():
    """A wave of period 2/3, after many windows: its own pair of coefficients, and little else."""
    n, k = 400, 3
    A, B = hippo("fout", n)
    w = np.pi * k
    # For u = exp(i w t) the solution is x = (i w - A)^-1 B, and nothing moves the state that stays 0.
    live = np.delete(np.arange(n), 1)
    x = np.linalg.solve(1j * w * np.eye(n - 1) - A[np.ix_(live, live)], B[live])
    assert A[1].any() == A[:, 1].any() == B[1].any() == False  # noqa: E712
    own = np.isin(live, (2 * k, 2 * k + 1))
    assert_allclose(np.abs(x[own]), np.sqrt(0.5), atol=0.01)
    assert np.abs(x[~own]).max() < 0.01


def test_lagt_is_the_delta_response_of_laguerre_functions():
    """exp(-t/2) L_k(t) for the Laguerre polynomials."""
    n, t = 6, 0.7
    A, B = hippo("lagt", n)
    L = np.polynomial.laguerre.lagvander([t], n - 1)[0]
    assert_allclose(scipy.linalg.expm(t * A) @ B, np.exp(-t / 2) * L, rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("measure", MEASURES)
def test_dtype(measure, dtype):
    A, B = hippo(measure, 4, dtype=dtype)
    assert A.dtype == B.dtype == dtype
    assert_allclose(A, hippo(measure, 4)[0], rtol=1e-6)


def test_hippo_errors():
    with pytest.raises(ValueError, match="measure must be one of"):
        hippo("legx", 4)
    with pytest.raises(ValueError, match="n must be even; got 5"):
        hippo("fout", 5)
    with pytest.raises(ValueError, match="at least 1"):
        hippo("legs", 0)
    with pytest.raises(TypeError, match="an integer"):
        hippo("legs", 4.0)
    with pytest.raises(TypeError, match="float32 or float64"):
        hippo("legs", 4, dtype="complex128")


def exact_kernel(k, t):
    e = mpmath.exp(-mpmath.mpf(t))
    return float(mpmath.sqrt(2 * k + 1) * e * mpmath.legendre(k, 2 * e - 1))


@pytest.mark.parametrize("k", [0, 1, 2, 17, 64, 255])
def test_kernel_against_multiple_precision(k):
    t = np.concatenate([[0.0], np.logspace(-9, 2, 45)])
    with mpmath.workdps(40):
        expected = np.array([exact_kernel(k, x) for x in t])
    found = legs_kernel(k + 1, t)[:, k]
    # Relative to the envelope, not to values: next to zeros of the polynomial there is no more to have.
    error = np.abs(found - expected) / (np.sqrt(2 * k + 1) * np.exp(-t))
    assert error.max() <= 4e-15


def test_kernel_near_zero_keeps_all_digits():
    """Rounding of 2 exp(-t) - 1 alone would change P_200 by 2e-12."""
    t, k = 1e-12, 200
    with mpmath.workdps(60):
        expected = exact_kernel(k, t)
    assert legs_kernel(k + 1, t)[k] == pytest.approx(expected, rel=1e-15)
    assert expected < np.sqrt(2 * k + 1) * (1 - 3e-8)


@pytest.mark.parametrize("n", [1, 2, 7, 20])
def test_kernel_is_the_exponential(n):
    A, B = hippo("legs", n)
    t = np.array([0.0, 1e-3, 0.1, 1.0, 5.0])
    expected = np.stack([scipy.linalg.expm(x * A) @ B for x in t])
    assert_allclose(legs_kernel(n, t), expected, atol=1e-10)


@given(st.floats(0.0, 50.0), st.integers(1, 40))
def test_kernel_is_bounded_and_causes_no_overflow(t, n):
    K = legs_kernel(n, t)
    assert K.shape == (n,)
    assert np.all(np.abs(K) <= np.sqrt(2 * np.arange(n) + 1) * np.exp(-t) * (1 + 1e-14) + 1e-300)


def test_kernels_are_orthonormal():
    """∫ K_j K_k exp(t) dt is the identity: Gauss-Legendre in x = 2 exp(-t) - 1."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    K = legs_kernel(40, -np.log(0.5 * (nodes + 1.0)))
    gram = K.T @ (K * (0.5 * weights / (0.5 * (nodes + 1.0)) ** 2)[:, None])
    assert_allclose(gram, np.eye(40), atol=1e-11)


def exact_transfer(n, s):
    s = mpmath.mpc(s)
    row, product = [], 1 / (s + 1)
    for k in range(n):
        product = product * (s - (k - 1)) / (s + k + 1) if k else product
        row.append(complex(mpmath.sqrt(2 * k + 1) * product))
    return row


@pytest.mark.parametrize("n", [1, 16, 64])
def test_transfer_function_against_multiple_precision(n):
    s = np.array([0.3 + 2.0j, 1j, 1e-8j, 1e3j, 1e12 - 1e12j, -0.5 + 40.0j, -2.5, 7.25, -63.9 + 0.01j])
    with mpmath.workdps(40):
        expected = np.array([exact_transfer(n, x) for x in s])
    assert_allclose(legs_transfer_function(n, s), expected, rtol=2e-14)


def test_transfer_function_is_the_resolvent():
    n, s = 12, np.array([0.5, 2.0 + 1.0j, -0.5 + 3.0j])
    A, B = hippo("legs", n)
    expected = np.stack([np.linalg.solve(x * np.eye(n) - A, B) for x in s])
    assert_allclose(legs_transfer_function(n, s), expected, rtol=1e-11)


@given(st.floats(1e-3, 1e3))
def test_transfer_function_on_the_axis(w):
    n = 30
    G, k = np.abs(legs_transfer_function(n, 1j * w)), np.arange(1, n)
    assert_allclose(G[0], 1.0 / np.hypot(1.0, w), rtol=1e-14)
    expected = np.sqrt(2 * k + 1) * w / (np.hypot(w, k) * np.hypot(w, k + 1))
    assert_allclose(G[1:], expected, rtol=1e-13)


def test_transfer_function_zeros_are_exact():
    assert_array_equal(legs_transfer_function(6, [0.0, 3.0])[0, 1:], 0.0)
    assert_array_equal(legs_transfer_function(6, 3.0)[4:], 0.0)
    assert np.all(legs_transfer_function(6, 3.0)[:4] != 0.0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_closed_forms_keep_shape_and_dtype(dtype):
    t = np.linspace(0.0, 3.0, 6, dtype=dtype).reshape(2, 3)
    assert legs_kernel(5, t).shape == (2, 3, 5)
    assert legs_kernel(5, t).dtype == dtype
    assert legs_transfer_function(5, t).dtype == dtype
    complex_dtype = {"float32": "complex64", "float64": "complex128"}[dtype]
    assert legs_transfer_function(5, t * 1j).dtype == complex_dtype
    tol = 1e-6 if dtype == "float32" else 1e-15
    assert_allclose(legs_kernel(5, t), legs_kernel(5, t.astype(float)), atol=tol)


def test_closed_forms_take_integers_and_numbers():
    assert_array_equal(legs_kernel(4, 1), legs_kernel(4, 1.0))
    assert legs_kernel(4, 1).shape == (4,)
    assert_array_equal(legs_transfer_function(4, 2), legs_transfer_function(4, 2.0))
    assert legs_kernel(3, np.zeros((0,))).shape == (0, 3)


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
def test_closed_forms_of_other_libraries(library):
    xp = pytest.importorskip(library)
    t = np.linspace(0.0, 4.0, 7)
    found = legs_kernel(9, xp.asarray(t))
    assert type(found) is type(xp.asarray(t))
    assert_allclose(np.from_dlpack(found), legs_kernel(9, t), atol=1e-15)
    found = legs_transfer_function(9, xp.asarray(t * 1j))
    assert_allclose(np.asarray(found), legs_transfer_function(9, t * 1j), rtol=1e-14)


def test_closed_form_errors():
    with pytest.raises(ValueError, match="t must be non-negative"):
        legs_kernel(4, [0.1, -0.1])
    with pytest.raises(ValueError, match="t must be finite"):
        legs_kernel(4, np.inf)
    with pytest.raises(TypeError, match="t must be real"):
        legs_kernel(4, 1j)
    with pytest.raises(ValueError, match="n must be"):
        legs_kernel(0, 1.0)
    for pole in (-1, -3.0, -4.0 + 0j):
        with pytest.raises(ValueError, match="poles -1 to -4; got"):
            legs_transfer_function(4, [0.5, pole])
    assert np.isfinite(legs_transfer_function(4, -5.0)).all()
    with pytest.raises(ValueError, match="s must be finite"):
        legs_transfer_function(4, np.nan)
    with pytest.raises(TypeError):
        legs_transfer_function(4, np.array([object()]))


def test_messages_show_what_was_given():
    with pytest.raises(TypeError, match="dtype must be float32 or float64; got 'foo'"):
        hippo("legs", 3, dtype="foo")
    with pytest.raises(ValueError, match=r"poles -1 to -3; got -2\."):
        legs_transfer_function(3, -2.0)
