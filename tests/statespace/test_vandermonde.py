"""The Vandermonde kernel against exact powers, its own structure, and its adjoint."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spectralkit
from spectralkit.statespace import vandermonde_kernel, vandermonde_kernel_adjoint

LIBRARIES = ["array_api_strict", "torch"]


def model(n=32, channels=4, seed=0):
    """Modes as in practice: step sizes over two decades, frequencies in a row."""
    rng = np.random.default_rng(seed)
    dt = np.exp(rng.uniform(np.log(1e-3), np.log(1e-1), (channels, 1)))
    C = rng.standard_normal((channels, n)) + 1j * rng.standard_normal((channels, n))
    return dt * (-0.5 + 1j * np.pi * np.arange(n)), C


def exact(log_z, C, steps):
    """Evaluate one kernel at some steps, rounded once."""
    with mpmath.workprec(300):
        return np.array(
            [
                float(
                    2
                    * mpmath.fsum(
                        (mpmath.mpc(complex(c)) * mpmath.exp(mpmath.mpc(complex(z)) * int(step))).real
                        for z, c in zip(log_z, C, strict=True)
                    )
                )
                for step in steps
            ]
        )


def steps_of(length, n_steps=40):
    """Return steps of all sizes, first and last, and around the ends of blocks and panels."""
    some = np.unique(np.geomspace(1, length - 1, n_steps).astype(int))
    edges = np.array([0, 127, 128, 129, 16383, 16384, 16385, length - 1])
    return np.unique(np.concatenate([some, edges[edges < length]]))


def error(log_z, C, length, kernel):
    """Return the largest error in units of Σ|C|, over all channels."""
    steps = steps_of(length)
    return max(
        np.abs(kernel[h, steps] - exact(log_z[h], C[h], steps)).max() / np.abs(C[h]).sum()
        for h in range(len(C))
    )


def stress(n=32, channels=3):
    rng = np.random.default_rng(1)
    log_z = -1e-6 + 1j * rng.uniform(0.0, 3.1, (channels, n))
    return log_z, rng.standard_normal((channels, n)) + 1j * rng.standard_normal((channels, n))


@pytest.mark.parametrize(("problem", "bar"), [(model, 2e-15), (stress, 4e-15)])
def test_accuracy(problem, bar):
    log_z, C = problem()
    assert error(log_z, C, 16384, vandermonde_kernel(log_z, C, 16384)) <= bar


def test_accuracy_of_a_million_steps():
    log_z, C = stress(n=3, channels=1)
    length = 1_000_003
    assert error(log_z, C, length, vandermonde_kernel(log_z, C, length)) <= 4e-15


@pytest.mark.parametrize("problem", [model, stress])
def test_single_precision(problem):
    log_z, C = (x.astype(np.complex64) for x in problem())
    kernel = vandermonde_kernel(log_z, C, 16384)
    assert kernel.dtype == np.float32
    assert error(log_z, C, 16384, kernel) <= 5e-7


@pytest.mark.parametrize("phase", [1e3, 1e8 + 0.1, -1e15, 7.77e22, -1.2e30])
def test_huge_phases_are_reduced_exactly(phase):
    log_z, C = np.array([[-1e-4 + 1j * phase]]), np.array([[0.3 - 1j]])
    assert error(log_z, C, 5000, vandermonde_kernel(log_z, C, 5000)) <= 2e-15
    xp = pytest.importorskip("array_api_strict")
    kernel = vandermonde_kernel(xp.asarray(log_z), xp.asarray(C), 5000)
    assert error(log_z, C, 5000, np.from_dlpack(kernel)) <= 2e-15


@pytest.mark.parametrize("phase", [0.0, np.pi, -np.pi, np.pi / 2, np.pi / 4, 3 * np.pi / 4, 1e-300, -1e-20])
def test_phases_at_the_ends_of_quadrants(phase):
    log_z, C = np.array([[1j * phase]]), np.array([[1.0 + 0.5j]])
    assert error(log_z, C, 20000, vandermonde_kernel(log_z, C, 20000)) <= 2e-15


@given(st.integers(1, 40000), st.integers(1, 40000), st.integers(1, 70), st.integers(0, 9))
def test_longer_kernels_begin_with_the_bits_of_shorter_ones(length, more, n, seed):
    log_z, C = model(n=n, channels=1, seed=seed)
    longer = vandermonde_kernel(log_z, C, length + more)
    assert np.array_equal(vandermonde_kernel(log_z, C, length), longer[:, :length])


def test_bits_do_not_depend_on_threads_or_on_the_work_at_once():
    log_z, C = model(n=33, channels=8)
    kernel = vandermonde_kernel(log_z, C, 20000)
    with spectralkit.threads(1):
        assert np.array_equal(vandermonde_kernel(log_z, C, 20000), kernel)
    # One row is little enough work for the sequential loops.
    assert np.array_equal(vandermonde_kernel(log_z[3], C[3], 500), kernel[3, :500])


@given(st.integers(0, 1000), st.integers(1, 300), st.integers(1, 9))
def test_linear_in_the_weights_and_blind_to_conjugation(seed, length, n):
    log_z, C = model(n=n, channels=2, seed=seed)
    kernel = vandermonde_kernel(log_z, C, length)
    scale = 30e-16 * np.abs(C).sum()
    assert np.abs(vandermonde_kernel(log_z, 2.5 * C, length) - 2.5 * kernel).max() <= 2.5 * scale
    assert np.array_equal(vandermonde_kernel(log_z, -4 * C, length), -4 * kernel)
    assert np.abs(vandermonde_kernel(log_z.conj(), C.conj(), length) - kernel).max() <= scale


def test_time_shift():
    log_z, C = model()
    shifted = vandermonde_kernel(log_z, C * np.exp(7 * log_z), 1000)
    assert np.abs(vandermonde_kernel(log_z, C, 1007)[:, 7:] - shifted).max() <= 1e-13


def test_real_modes_are_sums_of_exponentials():
    log_z, C = np.array([-0.1, -1.0, 0.0]), np.array([1.0, -2.0, 0.25])
    expected = 2 * (C[:, None] * np.exp(log_z[:, None] * np.arange(300))).sum(axis=0)
    assert np.abs(vandermonde_kernel(log_z, C, 300) - expected).max() <= 1e-14


def test_underflow_is_zero():
    kernel = vandermonde_kernel([-800.0 + 1j, -5.0], [1.0, 1.0], 40000)
    assert kernel[0] == 4.0
    assert kernel[1] == pytest.approx(2 * np.exp(-5.0), rel=1e-15)
    assert np.all(kernel[200:] == 0.0)


def test_growing_modes():
    growth = 0.1373
    kernel = vandermonde_kernel([growth + 2j], [1.0], 5001, allow_unstable=True)
    steps = np.array([1, 127, 1000, 3001, 4990, 5000])
    errors = np.abs(kernel[steps] - exact([growth + 2j], [1.0], steps)) / np.exp(growth * steps)
    assert errors.max() <= 4e-15
    with pytest.raises(ValueError, match=r"log_z must be of real part at most 0; got an excess of 0\.01"):
        vandermonde_kernel([0.01 + 2j], [1.0], 10)
    with pytest.raises(ValueError, match="log_z must be of powers that do not overflow"):
        vandermonde_kernel([1.0], [1.0], 800, allow_unstable=True)


@pytest.mark.parametrize(
    ("shape_z", "shape_C", "lead"),
    [
        ((0, 4), (0, 4), (0,)),
        ((3, 0), (0,), (3,)),
        ((1,), (2, 3, 1), (2, 3)),
        ((2, 1, 5), (3, 5), (2, 3)),
    ],
)
def test_shapes(shape_z, shape_C, lead):
    rng = np.random.default_rng(0)
    log_z, C = -rng.random(shape_z) + 1j, rng.standard_normal(shape_C)
    kernel = vandermonde_kernel(log_z, C, 7)
    expected = 2 * ((C + 0 * log_z)[..., None] * np.exp(log_z[..., None] * np.arange(7))).sum(axis=-2).real
    assert kernel.shape == (*lead, 7) == expected.shape
    np.testing.assert_allclose(kernel, expected, atol=1e-13)
    xp = pytest.importorskip("array_api_strict")
    generic = np.from_dlpack(vandermonde_kernel(xp.asarray(log_z), xp.asarray(C), 7))
    np.testing.assert_allclose(generic, expected, atol=1e-13)


def test_strided_and_read_only_input():
    log_z, C = model(channels=6)
    expected = vandermonde_kernel(log_z[::2, ::-3].copy(), C[::2, ::-3].copy(), 200)
    log_z.setflags(write=False)
    C.setflags(write=False)
    assert np.array_equal(vandermonde_kernel(log_z[::2, ::-3], C[::2, ::-3], 200), expected)


def test_out():
    log_z, C = model()
    kernel = vandermonde_kernel(log_z, C, 300)
    for out in (np.empty((4, 300)), np.empty((300, 4)).T, np.empty((4, 600))[:, ::2]):
        assert vandermonde_kernel(log_z, C, 300, out=out) is out
        assert np.array_equal(out, kernel)
    with pytest.raises(ValueError, match="out must be of shape"):
        vandermonde_kernel(log_z, C, 300, out=np.empty((4, 299)))
    with pytest.raises(TypeError, match="out must be an array; got type list"):
        vandermonde_kernel(log_z, C, 300, out=[0.0])
    with pytest.raises(ValueError, match="out must be of shape"):
        vandermonde_kernel(log_z, C, 300, out=np.empty((4, 300), np.float32))
    read_only = np.empty((4, 300))
    read_only.setflags(write=False)
    with pytest.raises(ValueError, match="out must be writeable"):
        vandermonde_kernel(log_z, C, 300, out=read_only)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32])
def test_dtypes_of_real_input(dtype):
    log_z, C = np.array([-1, -2]).astype(dtype), np.array([1, 3]).astype(dtype)
    kernel = vandermonde_kernel(log_z, C, 4)
    assert kernel.dtype == (np.float64 if dtype == np.int32 else dtype)
    expected = 2 * (np.exp(-np.arange(4)) + 3 * np.exp(-2.0 * np.arange(4)))
    np.testing.assert_allclose(kernel, expected, rtol=4 * np.finfo(kernel.dtype).eps)
    assert vandermonde_kernel(log_z, C.astype(complex), 4).dtype == np.float64
    grad_log_z, grad_C = vandermonde_kernel_adjoint(log_z, C, np.ones(4, dtype))
    assert grad_log_z.dtype == grad_C.dtype == kernel.dtype


@given(st.integers(0, 10**6), st.sampled_from([1, 2, 127, 128, 129, 1000, 16385]), st.integers(1, 40))
def test_adjoint_in_the_weights(seed, length, n):
    log_z, C = model(n=n, channels=2, seed=seed)
    k = np.random.default_rng(seed).standard_normal((2, length))
    _, grad_C = vandermonde_kernel_adjoint(log_z, C, k)
    kernel = vandermonde_kernel(log_z, C, length)
    gap = abs(np.sum(kernel * k) - np.vdot(grad_C, C).real)
    assert gap <= 1e-13 * np.linalg.norm(kernel) * np.linalg.norm(k)


def test_gradient_is_the_derivative():
    log_z, C = model(n=5, channels=2)
    rng = np.random.default_rng(3)
    k = rng.standard_normal((2, 200))
    d = rng.standard_normal(log_z.shape) + 1j * rng.standard_normal(log_z.shape)
    grad, _ = vandermonde_kernel_adjoint(log_z, C, k)

    def value(h):
        return np.sum(k * vandermonde_kernel(log_z + h * d, C, 200, allow_unstable=True))

    h = 1e-5
    slope = (8 * (value(h) - value(-h)) - (value(2 * h) - value(-2 * h))) / (12 * h)
    assert np.vdot(grad, d).real == pytest.approx(slope, rel=1e-7)


def test_gradients_of_broadcast_and_real_arguments_are_sums():
    rng = np.random.default_rng(0)
    log_z, C = -rng.random(3), rng.standard_normal((2, 1, 3)) + 1j
    k = rng.standard_normal((4, 50))
    grad_log_z, grad_C = vandermonde_kernel_adjoint(log_z, C, k)
    full = vandermonde_kernel_adjoint(
        *(np.broadcast_to(x, (2, 4, 3)) + 0j for x in (log_z, C)), np.broadcast_to(k, (2, 4, 50))
    )
    np.testing.assert_allclose(grad_log_z, full[0].sum(axis=(0, 1)).real, rtol=1e-13)
    np.testing.assert_allclose(grad_C, full[1].sum(axis=1, keepdims=True), rtol=1e-12)
    assert grad_log_z.dtype == np.float64
    assert grad_C.dtype == np.complex128


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_other_libraries(library, dtype):
    xp = pytest.importorskip(library)
    log_z, C = (x.astype(dtype) for x in model(n=5))
    k = np.random.default_rng(0).standard_normal((4, 700)).astype(C.real.dtype)
    args = [xp.asarray(x) for x in (log_z, C)]
    kernel = vandermonde_kernel(*args, 700)
    grads = vandermonde_kernel_adjoint(*args, xp.asarray(k))
    host = (vandermonde_kernel(log_z, C, 700), *vandermonde_kernel_adjoint(log_z, C, k))
    for found, expected in zip((kernel, *grads), host, strict=True):
        assert type(found) is type(args[0])
        found = np.from_dlpack(found)
        assert found.dtype == expected.dtype
        scale = np.abs(expected).max()
        assert np.abs(found - expected).max() <= 20 * np.finfo(dtype).eps * scale
    out = xp.zeros((4, 700), dtype=kernel.dtype)
    assert vandermonde_kernel(*args, 700, out=out) is out
    assert bool(xp.all(out == kernel))
    with pytest.raises(TypeError, match="must be arrays of one library"):
        vandermonde_kernel(args[0], C, 10)
    with pytest.raises(TypeError, match="must be arrays of one library"):
        vandermonde_kernel(*args, 10, out=np.empty((4, 10)))


def test_the_device_is_kept():
    xp = pytest.importorskip("array_api_strict")
    device = xp.Device("device1")
    log_z, C = xp.asarray([-1.0 + 1j], device=device), xp.asarray([1.0], device=device)
    assert vandermonde_kernel(log_z, C, 5).device == device
    k = xp.asarray([1.0, 2.0], device=device)
    assert all(grad.device == device for grad in vandermonde_kernel_adjoint(log_z, C, k))


@pytest.mark.parametrize(
    ("log_z", "C", "length", "kind", "message"),
    [
        ([-1.0], [1.0], 0, ValueError, "length must be an integer between 1 and"),
        ([-1.0], [1.0], 2.0, TypeError, "length must be an integer"),
        ([-1.0, -2.0], [1.0], 3, ValueError, r"C must be of shape \(..., 2\)"),
        (-1.0, [1.0], 3, ValueError, "log_z must be an array with at least one axis"),
        (np.full((2, 3), -1.0), np.ones((4, 3)), 3, ValueError, "log_z and C must be of leading axes"),
        ([np.nan], [1.0], 3, ValueError, "log_z must be finite; got NaN or infinity"),
        ([-1.0], [np.inf], 3, ValueError, "C must be finite"),
        ([-1.0 + 1e31j], [1.0], 3, ValueError, r"log_z must be of imaginary part up to 2\^100"),
        ([object()], [1.0], 3, TypeError, "log_z must be of a real or complex"),
        (np.array([-1.0], np.longdouble), [1.0], 3, TypeError, "log_z must be of a real or complex"),
        ([[1.0], [1.0, 2.0]], [1.0], 3, ValueError, "log_z must be an array of numbers"),
    ],
)
def test_bad_input(log_z, C, length, kind, message):
    with pytest.raises(kind, match=message):
        vandermonde_kernel(log_z, C, length)


@pytest.mark.parametrize(
    ("k", "kind", "message"),
    [
        (1.0, ValueError, "k must be an array with at least one axis"),
        (np.empty(0), ValueError, "k must be of at least one time step"),
        ([1j], TypeError, "k must be real"),
        (np.ones((3, 4)), ValueError, "log_z and C and k must be of leading axes that broadcast"),
    ],
)
def test_bad_cotangents(k, kind, message):
    with pytest.raises(kind, match=message):
        vandermonde_kernel_adjoint(np.full((2, 1), -1.0), [1.0], k)


def test_the_flag_is_a_flag():
    with pytest.raises(TypeError, match="allow_unstable must be True or False"):
        vandermonde_kernel([-1.0], [1.0], 3, allow_unstable="yes")


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_powers_that_are_not_needed_may_overflow(library):
    xp = pytest.importorskip(library)
    log_z, C, k = (xp.asarray(np.array(value)) for value in ([6.0], [1.0], [1.0, 1.0, 1.0]))
    grad_log_z, grad_C = vandermonde_kernel_adjoint(log_z, C, k, allow_unstable=True)
    np.testing.assert_allclose(np.asarray(grad_C), 2.0 * np.exp([0.0, 6.0, 12.0]).sum(), rtol=1e-14)
    np.testing.assert_allclose(np.asarray(grad_log_z), 2.0 * (np.exp(6.0) + 2.0 * np.exp(12.0)), rtol=1e-14)


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("decay", [-1e3, -1e308])
def test_modes_that_end_at_once(library, decay):
    xp = pytest.importorskip(library)
    log_z, C, k = (xp.asarray(np.array(value)) for value in ([decay], [1.0], np.ones(300)))
    kernel = np.asarray(vandermonde_kernel(log_z, C, 300))
    np.testing.assert_array_equal(kernel, np.r_[2.0, np.zeros(299)])
    grads = [float(grad[0]) for grad in vandermonde_kernel_adjoint(log_z, C, k)]
    assert grads == [0.0, 2.0]
