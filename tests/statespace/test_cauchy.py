"""The Cauchy kernel against exact sums, near poles and at all scales, and its adjoint."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spectralkit
from spectralkit.statespace import cauchy_kernel, cauchy_kernel_adjoint

LIBRARIES = ["array_api_strict", "torch"]
EPS = np.finfo(float).eps


def model(n=32, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    v = rng.standard_normal((channels, n)) + 1j * rng.standard_normal((channels, n))
    w = -0.5 * rng.random((channels, n)) + 1j * np.pi * np.arange(n)
    return v, w


def error(v, z, w, kernel):
    """Return the largest error of one kernel, relative to the sum of the moduli of its terms."""
    worst = 0.0
    with mpmath.workprec(200):
        for s, found in zip(z, kernel, strict=True):
            iz, total, size = mpmath.mpc(0, float(s)), mpmath.mpc(0), mpmath.mpf(0)
            for a, b in zip(v, w, strict=True):
                a, b = mpmath.mpc(complex(a)), mpmath.mpc(complex(b))
                for term in (a / (iz - b), mpmath.conj(a) / (iz - mpmath.conj(b))):
                    total += term
                    size += abs(term)
            worst = max(worst, float(abs(total - mpmath.mpc(complex(found))) / size))
    return worst


def test_accuracy():
    v, w = model()
    z = np.concatenate([np.linspace(-120, 120, 61), np.pi * np.arange(8), [1e-9, 1e5, -1e12]])
    kernel = cauchy_kernel(v, z, w)
    assert max(error(v[h], z, w[h], kernel[h]) for h in range(len(v))) <= 8 * EPS


@pytest.mark.parametrize("real", [0.0, -1e-3, -1e-8, -1e-16, -1e-100])
def test_next_to_a_pole(real):
    w = np.array([real + 3.0j])
    z = 3.0 + np.array([1e-15, -1e-12, 1e-8, 1e-3])
    v = np.array([0.7 - 1.3j])
    assert error(v, z, w, cauchy_kernel(v, z, w)) <= 8 * EPS


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e-150, 1e-75, 1e75, 1e150, 1e160, 1e300])
def test_any_scale(scale):
    v, w = model(n=5, channels=1)
    z = np.linspace(-10, 10, 9)
    kernel = cauchy_kernel(v, z, w)
    # Powers of two change no rounding.
    scale = 2.0 ** np.round(np.log2(scale))
    assert np.array_equal(cauchy_kernel(v * scale, z * scale, w * scale), kernel)
    assert error(v[0], z, w[0] * scale, cauchy_kernel(v, z, w * scale)[0]) <= 8 * EPS


def test_poles_of_very_different_scales():
    v = np.array([1.0 + 1j, 2.0 - 1j, -1.0])
    w = np.array([-1e-150 + 1e-140j, -1.0 + 2j, -1e150 + 1e155j])
    z = np.array([0.0, 1e-150, 1e-140, 1.0, 1e150])
    assert error(v, z, w, cauchy_kernel(v, z, w)) <= 8 * EPS


def test_a_hit_is_nan_and_nothing_else_is():
    kernel = cauchy_kernel([1.0, 1.0], [0.0, 1.0, 2.0, -2.0], [2j, 0.0 - 5j])
    assert np.array_equal(np.isnan(kernel), [False, False, True, True])
    assert np.isnan(cauchy_kernel([1.0], [0.0], [0.0]))[0]


def test_partial_fractions():
    # 1 / ((s + 1)² + 4) at s = iz has the poles -1 ± 2i with the residues ∓i / 4.
    z = np.linspace(-9, 9, 100)
    expected = 1.0 / ((1j * z + 1) ** 2 + 4)
    np.testing.assert_allclose(cauchy_kernel([-0.25j], z, [-1 + 2j]), expected, rtol=1e-14)


@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 40))
def test_symmetry_and_linearity(seed, n, n_points):
    v, w = model(n, 2, seed)
    z = np.random.default_rng(seed).normal(scale=50.0, size=n_points)
    kernel = cauchy_kernel(v, z, w)
    # Of a real system: conjugate at the negative frequency; blind to which one of a pair is given.
    size = EPS * (np.abs(v[:, None]) * (1 / abs(1j * z[:, None] - w[:, None]))).sum(axis=-1)
    size += EPS * (np.abs(v[:, None]) * (1 / abs(1j * z[:, None] - w[:, None].conj()))).sum(axis=-1)
    assert np.all(np.abs(cauchy_kernel(v, -z, w) - kernel.conj()) <= 16 * size)
    assert np.all(np.abs(cauchy_kernel(v.conj(), z, w.conj()) - kernel) <= 16 * size)
    assert np.array_equal(cauchy_kernel(-2 * v, z, w), -2 * kernel)
    order = np.random.default_rng(seed).permutation(n)
    assert np.all(np.abs(cauchy_kernel(v[:, order], z, w[:, order]) - kernel) <= (16 + n) * size)


def test_bits_do_not_depend_on_threads_or_on_the_work_at_once():
    v, w = model(channels=4)
    z = np.linspace(-100, 100, 3001)
    kernel = cauchy_kernel(v, z, w)
    with spectralkit.threads(1):
        assert np.array_equal(cauchy_kernel(v, z, w), kernel)
    assert np.array_equal(cauchy_kernel(v[2], z[:1024], w[2]), kernel[2, :1024])


@given(st.integers(0, 10**6), st.sampled_from([1, 5, 128, 1023, 2050]), st.integers(1, 9))
def test_adjoint_in_the_residues(seed, n_points, n):
    v, w = model(n, 2, seed)
    rng = np.random.default_rng(seed)
    w = w - 0.1
    z = rng.normal(scale=10.0, size=n_points)
    k = rng.standard_normal((2, n_points)) + 1j * rng.standard_normal((2, n_points))
    grad_v, _ = cauchy_kernel_adjoint(v, z, w, k)
    kernel = cauchy_kernel(v, z, w)
    gap = abs(np.vdot(k, kernel).real - np.vdot(grad_v, v).real)
    assert gap <= 1e-13 * np.linalg.norm(k) * np.linalg.norm(np.abs(v)) * np.sqrt(n_points) * 10


def test_gradient_is_the_derivative():
    v, w = model(5, 2)
    w = w - 0.5
    rng = np.random.default_rng(3)
    z = rng.normal(scale=10.0, size=200)
    k = rng.standard_normal((2, 200)) + 1j * rng.standard_normal((2, 200))
    d = rng.standard_normal(w.shape) + 1j * rng.standard_normal(w.shape)
    _, grad_w = cauchy_kernel_adjoint(v, z, w, k)

    def value(h):
        return np.vdot(k, cauchy_kernel(v, z, w + h * d)).real

    h = 1e-4
    slope = (8 * (value(h) - value(-h)) - (value(2 * h) - value(-2 * h))) / (12 * h)
    assert np.vdot(grad_w, d).real == pytest.approx(slope, rel=1e-8)


def test_gradients_of_broadcast_and_real_arguments_are_sums():
    rng = np.random.default_rng(0)
    v, w, z = rng.standard_normal(3), -rng.random((2, 1, 3)) + 1j, rng.standard_normal(50)
    k = rng.standard_normal((4, 50)) + 0.5j
    grad_v, grad_w = cauchy_kernel_adjoint(v, z, w, k)
    full_v, full_w = (np.broadcast_to(x, (2, 4, 3)) + 0j for x in (v, w))
    full = cauchy_kernel_adjoint(full_v, z, full_w, np.broadcast_to(k, (2, 4, 50)))
    np.testing.assert_allclose(grad_v, full[0].sum(axis=(0, 1)).real, rtol=1e-12)
    np.testing.assert_allclose(grad_w, full[1].sum(axis=1, keepdims=True), rtol=1e-12)
    assert grad_v.dtype == np.float64
    assert grad_w.dtype == np.complex128


@pytest.mark.parametrize(
    ("shape_v", "shape_w", "n_points", "shape"),
    [
        ((0, 4), (0, 4), 5, (0, 5)),
        ((3, 0), (0,), 5, (3, 5)),
        ((2,), (3, 2), 0, (3, 0)),
        ((1,), (1,), 1, (1,)),
    ],
)
def test_shapes(shape_v, shape_w, n_points, shape):
    xp = pytest.importorskip("array_api_strict")
    rng = np.random.default_rng(0)
    args = rng.standard_normal(shape_v), rng.standard_normal(n_points), rng.standard_normal(shape_w) + 2j
    kernel = cauchy_kernel(*args)
    assert kernel.shape == shape
    generic = np.from_dlpack(cauchy_kernel(*map(xp.asarray, args)))
    np.testing.assert_allclose(generic, kernel, rtol=1e-13)
    for found, like in zip(cauchy_kernel_adjoint(*args, kernel), (args[0], args[2]), strict=True):
        assert found.shape == like.shape
        assert found.dtype == like.dtype


def test_strided_and_read_only_input():
    v, w = model(channels=6)
    z = np.linspace(-5, 5, 60)
    expected = cauchy_kernel(v[::2, ::-3].copy(), z[::3].copy(), w[::2, ::-3].copy())
    for x in (v, w, z):
        x.setflags(write=False)
    assert np.array_equal(cauchy_kernel(v[::2, ::-3], z[::3], w[::2, ::-3]), expected)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
def test_dtypes(dtype):
    single = dtype in (np.float16, np.float32)
    v, z, w = (np.array(x).astype(dtype) for x in ([1, 2], [0, 1, 3], [-1, -2]))
    kernel = cauchy_kernel(v, z, w)
    assert kernel.dtype == (np.complex64 if single else np.complex128)
    s = 1j * np.array([0, 1, 3])
    np.testing.assert_allclose(kernel, 2 / (s + 1) + 4 / (s + 2), rtol=1e-6 if single else 1e-15)
    assert cauchy_kernel(v, z.astype(float), w).dtype == np.complex128
    grads = cauchy_kernel_adjoint(v, z, w, kernel)
    assert all(grad.dtype == (np.float64 if dtype == np.int64 else dtype) for grad in grads)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_other_libraries(library, dtype):
    xp = pytest.importorskip(library)
    v, w = (x.astype(dtype) for x in model(n=5))
    rng = np.random.default_rng(0)
    z = rng.standard_normal(70).astype(v.real.dtype)
    k = (rng.standard_normal((3, 70)) + 1j).astype(dtype)
    args = [xp.asarray(x) for x in (v, z, w)]
    found = (cauchy_kernel(*args), *cauchy_kernel_adjoint(*args, xp.asarray(k)))
    expected = (cauchy_kernel(v, z, w), *cauchy_kernel_adjoint(v, z, w, k))
    for a, b in zip(found, expected, strict=True):
        assert type(a) is type(args[0])
        a = np.from_dlpack(a)
        assert a.dtype == b.dtype
        assert np.abs(a - b).max() <= 30 * np.finfo(dtype).eps * np.abs(b).max()
    with pytest.raises(TypeError, match="must be arrays of one library"):
        cauchy_kernel(args[0], z, args[2])


def test_the_generic_path_in_blocks(monkeypatch):
    xp = pytest.importorskip("array_api_strict")
    monkeypatch.setattr("spectralkit.statespace._cauchy._BLOCK_ELEMENTS", 100)
    v, w = model(n=4, channels=1)
    z, k = np.linspace(-1, 1, 83), np.linspace(2, 1, 83) + 1j
    args = [xp.asarray(x) for x in (v, z, w)]
    found = (cauchy_kernel(*args), *cauchy_kernel_adjoint(*args, xp.asarray(k)))
    expected = (cauchy_kernel(v, z, w), *cauchy_kernel_adjoint(v, z, w, k))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.from_dlpack(a), b, rtol=1e-12)


def test_the_device_is_kept():
    xp = pytest.importorskip("array_api_strict")
    device = xp.Device("device1")
    v, z, w = (xp.asarray(x, device=device) for x in ([1.0], [1.0, 2.0], [-1.0 + 1j]))
    kernel = cauchy_kernel(v, z, w)
    assert kernel.device == device
    assert all(grad.device == device for grad in cauchy_kernel_adjoint(v, z, w, kernel))


@pytest.mark.parametrize(
    ("v", "z", "w", "kind", "message"),
    [
        ([1.0], [[1.0]], [-1.0], ValueError, r"z must be of shape \(L,\)"),
        ([1.0], [1j], [-1.0], TypeError, "z must be real"),
        ([1.0], [1.0], [-1.0, -2.0], ValueError, r"w must be of shape \(..., 1\)"),
        (1.0, [1.0], [-1.0], ValueError, "v must be an array with at least one axis"),
        (np.ones((2, 3)), [1.0], np.ones((4, 3)), ValueError, "v and w must be of leading axes"),
        ([np.nan], [1.0], [-1.0], ValueError, "v must be finite"),
        ([1.0], [np.inf], [-1.0], ValueError, "z must be finite"),
        (["a"], [1.0], [-1.0], TypeError, "v must be of a real or complex"),
    ],
)
def test_bad_input(v, z, w, kind, message):
    with pytest.raises(kind, match=message):
        cauchy_kernel(v, z, w)


def test_bad_cotangents():
    with pytest.raises(ValueError, match=r"k must be of shape \(..., 1\)"):
        cauchy_kernel_adjoint([1.0], [1.0], [-1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="v and w and k must be of leading axes"):
        cauchy_kernel_adjoint(np.ones((2, 1)), [1.0], [-1.0], np.ones((3, 1)))
