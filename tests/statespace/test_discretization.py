"""Discrete systems against exponentials, exact solutions, and limits."""

import mpmath
import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from spectralkit.statespace import diagonal_init, discretize, hippo

METHODS = ("zoh", "bilinear")
stable = st.builds(
    lambda size, angle: -size * np.exp(1j * angle),
    st.one_of(st.just(0.0), st.floats(-18, 4).map(lambda x: 10.0**x)),
    st.floats(-np.pi / 2, np.pi / 2),
).map(lambda a: complex(min(a.real, 0.0), a.imag))
steps = st.floats(-6, 2).map(lambda x: 10.0**x)


@given(stable, steps)
def test_zoh_against_multiple_precision(a, dt):
    A_bar, B_bar = discretize(np.array([a]), np.array([2.0]), dt)
    with mpmath.workdps(60):
        z = mpmath.mpf(dt) * mpmath.mpc(a)
        flow = complex(mpmath.exp(z))
        gain = complex(2 * mpmath.mpf(dt) * (mpmath.expm1(z) / z if z else 1))
    size = abs(dt * a)
    # The phase is rounded once, which the exponential multiplies by its size.
    assert abs(A_bar[0] - flow) <= 4e-16 * (1 + size)
    allowed = 4e-16 * (4 + (size if size > 1 else 0))
    assert abs(B_bar[0] - gain) <= allowed * max(abs(gain), dt / (1 + size))


@pytest.mark.parametrize("method", METHODS)
def test_integrator_and_its_neighbourhood(method):
    """A = 0 gives dt exactly, and small A the same up to the next term."""
    dt = 0.125
    A = np.array([0.0, -1e-300, -1e-20, -5e-324, -1e-9])
    A_bar, B_bar = discretize(A, np.ones(5), dt, method=method)
    assert_array_equal(A_bar[:4], 1.0)
    assert_array_equal(B_bar[:4], dt)
    assert_allclose(B_bar[4], dt * (1.0 - 0.5 * dt * 1e-9), rtol=4e-16)
    A_bar, B_bar = discretize(A * (1.0 + 1.0j), np.ones(5), dt, method=method)
    assert_allclose(B_bar[:4], dt, rtol=4e-16)


@given(stable, steps)
def test_bilinear_maps_the_half_plane_into_the_disc(a, dt):
    A_bar, _ = discretize(np.array([a]), np.ones(1), dt, method="bilinear")
    assert abs(A_bar[0]) <= 1.0 + 4e-16
    if a.real * dt < -1e-3 * (1.0 + abs(a * dt) ** 2):
        assert abs(A_bar[0]) < 1.0


@given(stable, steps)
def test_zoh_maps_the_half_plane_into_the_disc(a, dt):
    A_bar, _ = discretize(np.array([a]), np.ones(1), dt)
    assert abs(A_bar[0]) <= 1.0 + 4e-16


@given(stable, steps, st.integers(1, 8))
def test_zoh_of_m_steps_is_zoh_of_a_long_one(a, dt, m):
    """The input stays constant: x after m short steps is x after one of m dt."""
    A, B = np.array([a]), np.ones(1)
    A_bar, B_bar = discretize(A, B, dt)
    x = np.zeros(1, complex)
    for _ in range(m):
        x = A_bar * x + B_bar
    _, whole = discretize(A, B, m * dt)
    assert abs(x[0] - whole[0]) <= 1e-14 * m * m * dt * (1 + abs(a * dt))


def test_zoh_is_exact_for_piecewise_constant_input():
    """Against an ODE solver, dense and diagonal."""
    rng = np.random.default_rng(0)
    A, B = hippo("legt", 6)
    u, dt = rng.standard_normal(5), 0.3
    A_bar, B_bar = discretize(A, B, dt)
    x, truth = np.zeros(6), np.zeros(6)
    for value in u:
        x = A_bar @ x + B_bar * value
        truth = scipy.integrate.solve_ivp(
            lambda t, z, value=value: A @ z + B * value, (0, dt), truth, rtol=1e-12, atol=1e-13
        ).y[:, -1]
    assert_allclose(x, truth, atol=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_dense_and_diagonal_agree(method):
    init = diagonal_init("legs", 12)
    dt = np.array([0.01, 0.3])
    dense = discretize(np.diag(init.A), init.B, dt, method=method)
    diagonal = discretize(init.A, init.B, dt, method=method)
    assert dense[0].shape == (2, 6, 6)
    assert dense[1].shape == diagonal[0].shape == diagonal[1].shape == (2, 6)
    assert_allclose(np.diagonal(dense[0], axis1=1, axis2=2), diagonal[0], rtol=1e-12)
    assert_allclose(dense[1], diagonal[1], rtol=1e-12)


@pytest.mark.parametrize("measure", ["legs", "legt", "fout", "lagt"])
def test_dense_zoh_is_the_exponential(measure):
    A, B = hippo(measure, 10)
    A_bar, B_bar = discretize(A, B, 0.2)
    assert_allclose(A_bar, scipy.linalg.expm(0.2 * A), atol=1e-14)
    expected = scipy.integrate.quad_vec(lambda s: scipy.linalg.expm(s * A) @ B, 0, 0.2, epsabs=1e-13)[0]
    assert_allclose(B_bar, expected, atol=1e-12)


def test_dense_bilinear():
    A, B = hippo("legs", 10)
    A_bar, B_bar = discretize(A, B, 0.2, method="bilinear")
    eye = np.eye(10)
    assert_allclose((eye - 0.1 * A) @ A_bar, eye + 0.1 * A, atol=1e-13)
    assert_allclose((eye - 0.1 * A) @ B_bar, 0.2 * B, atol=1e-13)


def test_bilinear_is_of_second_order():
    A = np.array([-1.0 + 2.0j])
    errors = []
    for m in (64, 128):
        A_bar, _ = discretize(A, np.ones(1), 1.0 / m, method="bilinear")
        errors.append(abs(A_bar[0] ** m - np.exp(A[0])))
    assert 3.9 < errors[0] / errors[1] < 4.1


@pytest.mark.parametrize("method", METHODS)
def test_broadcasting(method):
    rng = np.random.default_rng(0)
    A = -rng.uniform(size=(5, 1, 7)) + 1j
    B, dt = rng.standard_normal((3, 7)), rng.uniform(0.1, 1.0, size=(2, 1, 1))
    A_bar, B_bar = discretize(A, B, dt, method=method)
    assert A_bar.shape == (2, 5, 1, 7)
    assert B_bar.shape == (2, 5, 3, 7)
    one = discretize(A[4, 0], B[2], float(dt[1, 0, 0]), method=method)
    assert_allclose(A_bar[1, 4, 0], one[0], rtol=1e-15)
    assert_allclose(B_bar[1, 4, 2], one[1], rtol=1e-15)


def test_square_tables_of_diagonals():
    """A (n, n) is dense with B (n,), and n diagonals with B of two axes."""
    A = -np.arange(1.0, 10.0).reshape(3, 3)
    A = A - 20.0 * np.eye(3)
    assert_array_equal(discretize(A, np.ones((1, 3)), 0.1)[0], np.exp(0.1 * A))
    assert_array_equal(discretize(A, np.ones((3, 3)), 0.1)[0], np.exp(0.1 * A))
    assert_allclose(discretize(A, np.ones(3), 0.1)[0], scipy.linalg.expm(0.1 * A), rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dense", [False, True])
def test_dtypes(method, dense):
    real = -np.eye(2) if dense else -np.ones(2)
    cases = {
        ("float32", "float32"): ("float32", "float32"),
        ("float64", "float64"): ("float64", "float64"),
        ("float32", "complex64"): ("float32", "complex64"),
        ("complex64", "float32"): ("complex64", "complex64"),
        ("complex64", "float64"): ("complex64", "complex128"),
        ("float64", "complex64"): ("float64", "complex128"),
        ("int64", "int64"): ("float64", "float64"),
        ("float16", "float16"): ("float16", "float16"),
    }
    for (a, b), expected in cases.items():
        A_bar, B_bar = discretize(real.astype(a), np.ones(2, b), 0.5, method=method)
        assert (A_bar.dtype, B_bar.dtype) == expected
        exact = discretize(real, np.ones(2), 0.5, method=method)
        assert_allclose(A_bar, exact[0], rtol=1e-3)
        assert_allclose(B_bar, exact[1], rtol=1e-3)


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["diagonal", "complex diagonal", "dense", "large dense", "mixed dense"])
def test_other_libraries(library, method, kind):
    xp = pytest.importorskip(library)
    A, B = hippo("legs", 8)
    if kind == "diagonal":
        A, B = np.array([-3.0, 0.0]), np.array([1.0, 2.0])
    elif kind == "complex diagonal":
        A, B = diagonal_init("inv", 8)
    elif kind == "large dense":
        A = 1e3 * A
    elif kind == "mixed dense":
        B = B * 1j
    for dt in (0.1, np.array([0.2, 1e-3])):
        expected = discretize(A, B, dt, method=method)
        there = dt if isinstance(dt, float) else xp.asarray(dt)
        found = discretize(xp.asarray(A), xp.asarray(B), there, method=method)
        for a, b in zip(found, expected, strict=True):
            assert type(a) is type(xp.asarray(A))
            assert np.asarray(a).dtype == b.dtype
            assert_allclose(np.asarray(a), b, atol=1e-12, rtol=1e-12)


def test_mixed_libraries_raise():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="one library"):
        discretize(torch.tensor([-1.0]), np.ones(1), 0.1)


@pytest.mark.parametrize("dt", [0.0, -0.1, np.nan, np.inf, [0.1, 0.0], np.array(-1.0), [np.nan]])
def test_bad_steps(dt):
    with pytest.raises(ValueError, match=r"dt must be .*; got [^']*\."):
        discretize([-1.0], [1.0], dt)


def test_bad_step_types():
    for dt in ("fast", True, 1j, [1j], None):
        with pytest.raises(TypeError, match="dt must be"):
            discretize([-1.0], [1.0], dt)


def test_dense_steps_that_overflow_are_an_error():
    with pytest.raises(np.linalg.LinAlgError, match="lower dt"):
        discretize(np.array([[-1.0, 0.0], [0.5, -2.0]]), np.ones(2), 1e150)


def test_a_long_step_costs_a_short_one_no_digits():
    xp = pytest.importorskip("array_api_strict")
    A, B = hippo("legs", 6)
    A_bar, _ = discretize(xp.asarray(A), xp.asarray(B), xp.asarray([1e-4, 1e3]))
    assert_allclose(np.asarray(A_bar)[0], scipy.linalg.expm(1e-4 * A), rtol=0.0, atol=1e-15)


def test_errors():
    with pytest.raises(ValueError, match="method must be one of"):
        discretize([-1.0], [1.0], 0.1, method="euler")
    with pytest.raises(ValueError, match="A must be an array with at least one axis"):
        discretize(-1.0, 1.0, 0.1)
    with pytest.raises(ValueError, match="B must be"):
        discretize([-1.0], 1.0, 0.1)
    with pytest.raises(ValueError, match="B must be of shape"):
        discretize([-1.0, -2.0], [1.0], 0.1)
    with pytest.raises(ValueError, match="broadcast"):
        discretize(-np.ones((2, 3)), np.ones((5, 3)), 0.1)
    with pytest.raises(ValueError, match="broadcast"):
        discretize(-np.ones((2, 3)), np.ones(3), np.ones(4))
    with pytest.raises(ValueError, match="A must be finite"):
        discretize([np.nan], [1.0], 0.1)
    with pytest.raises(TypeError):
        discretize(np.array([object()]), [1.0], 0.1)
    with pytest.raises(TypeError, match="allow_unstable"):
        discretize([-1.0], [1.0], 0.1, allow_unstable=1)


@pytest.mark.parametrize(
    ("A", "B"),
    [
        (np.array([-1.0, 1e-3]), np.ones(2)),
        (np.array([1e-3 + 5j]), np.ones(1)),
        (np.array([[0.0, 1.0], [1.0, 0.0]]), np.ones(2)),
        (np.array([[-5.0, 100.0], [0.0, 0.1]]), np.ones(2)),
        (np.array([[0.1, 50.0], [-50.0, 0.1]]), np.ones(2)),
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_unstable_systems(A, B, method):
    with pytest.raises(ValueError, match="A must be stable"):
        discretize(A, B, 0.1, method=method)
    A_bar, _ = discretize(A, B, 0.1, method=method, allow_unstable=True)
    growth = np.abs(A_bar).max() if A.ndim == 1 else np.abs(np.linalg.eigvals(A_bar)).max()
    assert growth > 1.0


@pytest.mark.parametrize("n", [2, 30])
def test_stable_dense_systems_that_look_unstable(n):
    """Transient growth is no instability, and eigenvalues that rounding has scattered are no evidence."""
    jordan = -0.05 * np.eye(n) + np.diag(np.ones(n - 1), 1)
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((n, n)))[0]
    A = Q @ jordan @ Q.T
    assert np.linalg.eigvalsh(A + A.T)[-1] > 0.1
    assert n == 2 or np.linalg.eigvals(A).real.max() > 0.1
    discretize(A, np.ones(n), 0.1)


@pytest.mark.parametrize("n", [64, 300])
def test_large_hippo_is_stable(n):
    discretize(*hippo("legs", n), 0.01, method="bilinear")


@pytest.mark.parametrize("A", [np.array([4.0]), np.array([[4.0]]), np.diag([4.0, -1.0])])
def test_pole_of_bilinear(A):
    B = np.ones(A.shape[-1])
    with pytest.raises(ValueError, match="dt must be such that"):
        discretize(A, B, 0.5, method="bilinear", allow_unstable=True)


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("scale", [1e15, 1e149, 1e170, 1e-200])
def test_dense_zoh_in_any_unit(library, scale):
    xp = pytest.importorskip(library)
    A, B = hippo("legs", 16)
    expected = discretize(A, B, 0.01)
    A_bar, B_bar = discretize(xp.asarray(A / scale), xp.asarray(B), 0.01 * scale)
    assert_allclose(np.asarray(A_bar), expected[0], atol=1e-15)
    assert_allclose(np.asarray(B_bar) / scale, expected[1], atol=1e-15)
    A_bar, B_bar = discretize(xp.asarray(A), xp.asarray(scale * B), 0.01)
    assert_allclose(np.asarray(A_bar), expected[0], atol=1e-15)
    assert_allclose(np.asarray(B_bar) / scale, expected[1], atol=1e-15)


@pytest.mark.parametrize(
    ("A", "dt"),
    [
        (np.array([1e-16]), 1e17),
        (np.float32([4e-7]), 1e7),
        (1e-17 * np.eye(2), 1e17),
        (1e160 * np.eye(2), 1e-160),
    ],
)
def test_growth_is_seen_in_any_unit(A, dt):
    with pytest.raises(ValueError, match="A must be stable"):
        discretize(A, np.ones(len(A)), dt)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("A", [np.array([-1e200 + 1e200j]), np.diag([-1e200, -1.0])])
def test_steps_whose_product_overflows(A, method):
    with pytest.raises(ValueError, match="dt must be such that dt A does not overflow"):
        discretize(A, np.ones(len(A)), 1e150, method=method)
