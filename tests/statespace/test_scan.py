"""The diagonal recurrence against long doubles and its kernel, as a stream, and its adjoint."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spectralkit
from spectralkit.statespace import (
    causal_convolution,
    diagonal_scan,
    diagonal_scan_adjoint,
    vandermonde_kernel,
)

LIBRARIES = ["array_api_strict", "torch"]
EPS = np.finfo(float).eps


def model(n=32, channels=3, seed=0):
    """Return A_bar, B_bar and C of models as in practice."""
    rng = np.random.default_rng(seed)
    dt = np.exp(rng.uniform(np.log(1e-3), np.log(1e-1), (channels, 1)))
    A = np.exp(dt * (-0.5 + 1j * np.pi * np.arange(n)))
    B, C = rng.standard_normal((2, channels, n)) + 1j * rng.standard_normal((2, channels, n))
    return A, B * dt, C


def reference(A, B, C, u, D=0.0, x0=0.0):
    """Run the recurrence in long double, all channels at once."""
    A, B, C, u = (np.asarray(x, np.clongdouble) for x in (A, B, C, u))
    x = x0 + np.zeros_like(A * B * C)
    D = np.asarray(D)
    outputs = []
    for t in range(u.shape[-1]):
        x = A * x + B * u[..., t, None]
        outputs.append(2 * (C * x).real.sum(axis=-1) + D * u[..., t].real)
    return np.stack(np.broadcast_arrays(*outputs), axis=-1), x


@pytest.mark.parametrize("n", [1, 15, 16, 33])
def test_accuracy(n):
    A, B, C = model(n)
    rng = np.random.default_rng(1)
    u, D = rng.standard_normal((3, 3000)), rng.standard_normal(3)
    x0 = rng.standard_normal((3, n)) + 1j
    y, state = diagonal_scan(A, B, C, u, D=D, x0=x0)
    expected_y, expected_state = reference(A, B, C, u, D, x0)
    assert np.abs(y - expected_y).max() <= 1e-13 * np.abs(expected_y).max()
    assert np.abs(state - expected_state).max() <= 1e-13 * np.abs(expected_state).max()


def test_the_impulse_response_is_the_kernel():
    A, B, C = model()
    impulse = np.eye(1, 500)[0]
    kernel = vandermonde_kernel(np.log(A), B * C, 500)
    assert (
        np.abs(diagonal_scan(A, B, C, impulse).y - kernel).max() <= 1e-13 * np.abs(B * C).sum(axis=-1).max()
    )


def test_the_output_is_the_convolution_with_the_kernel():
    A, B, C = model()
    u = np.random.default_rng(0).standard_normal((3, 2000))
    y = diagonal_scan(A, B, C, u).y
    by_fft = causal_convolution(u, vandermonde_kernel(np.log(A), B * C, 2000))
    assert np.abs(y - by_fft).max() <= 1e-12 * np.abs(y).max()


@given(st.integers(0, 10**6), st.integers(0, 2000), st.integers(1, 40), st.sampled_from([np.float32, float]))
def test_chunks_give_the_bits_of_one_call(seed, length, n, dtype):
    A, B, C = model(n, 2, seed)
    rng = np.random.default_rng(seed)
    u, D = rng.standard_normal((2, length)).astype(dtype), rng.standard_normal(2)
    whole = diagonal_scan(A, B, C, u, D=D)
    cuts = np.unique(np.r_[0, rng.integers(0, length + 1, 5), length])
    outputs, state = [np.empty((2, 0))], None
    for start, stop in itertools.pairwise(cuts):
        y, state = diagonal_scan(A, B, C, u[:, start:stop], D=D, x0=state)
        outputs.append(y)
    assert np.array_equal(np.concatenate(outputs, axis=-1), whole.y)
    assert state is None or np.array_equal(state, whole.state)


def test_single_steps_give_the_bits_of_one_call():
    A, B, C = model()
    # Enough work for the parallel loops at once, and for the sequential ones step by step.
    u = np.random.default_rng(0).standard_normal((3, 12000))
    whole = diagonal_scan(A, B, C, u)
    state = None
    for t in range(300):
        y, state = diagonal_scan(A, B, C, u[:, t : t + 1], x0=state)
        assert np.array_equal(y[:, 0], whole.y[:, t])
    y, state = diagonal_scan(A, B, C, u[:, 300:], x0=state)
    assert np.array_equal(y, whole.y[:, 300:])
    assert np.array_equal(state, whole.state)


def test_single_precision_streams_give_the_bits_of_one_call_too():
    A, B, C = (x.astype(np.complex64) for x in model())
    u = np.random.default_rng(0).standard_normal((3, 1000)).astype(np.float32)
    whole = diagonal_scan(A, B, C, u, allow_unstable=True)
    first, state = diagonal_scan(A, B, C, u[:, :333], allow_unstable=True)
    second, state = diagonal_scan(A, B, C, u[:, 333:], x0=state, allow_unstable=True)
    assert whole.y.dtype == np.float32
    assert whole.state.dtype == np.complex128
    assert np.array_equal(np.concatenate([first, second], axis=1), whole.y)
    assert np.array_equal(state, whole.state)
    exact = reference(A, B, C, u)[0]
    assert np.abs(whole.y - exact).max() <= np.finfo(np.float32).eps * np.abs(exact).max()


def test_bits_do_not_depend_on_threads():
    A, B, C = model(channels=8)
    u, y_bar = np.random.default_rng(0).standard_normal((2, 8, 5000))
    result, gradients = diagonal_scan(A, B, C, u), diagonal_scan_adjoint(A, B, C, u, y_bar)
    with spectralkit.threads(1):
        assert np.array_equal(diagonal_scan(A, B, C, u).y, result.y)
        again = diagonal_scan_adjoint(A, B, C, u, y_bar)
    for name in ("A_bar", "B_bar", "C", "u"):
        assert np.array_equal(getattr(again, name), getattr(gradients, name))


@given(st.integers(0, 10**6), st.integers(1, 20), st.integers(1, 300))
def test_linear_and_shift_invariant(seed, n, length):
    A, B, C = model(n, 1, seed)
    rng = np.random.default_rng(seed)
    u, v = rng.standard_normal((2, length))
    y, z = diagonal_scan(A, B, C, u).y, diagonal_scan(A, B, C, v).y
    scale = np.abs(C).sum() * np.abs(B).max() * (np.abs(u).sum() + np.abs(v).sum())
    assert np.abs(diagonal_scan(A, B, C, u - 3 * v).y - (y - 3 * z)).max() <= 1e-13 * scale
    assert np.array_equal(diagonal_scan(A, B, C, -2 * u).y, -2 * y)
    assert np.array_equal(diagonal_scan(A, B, C, np.r_[np.zeros(7), u]).y[:, 7:], y)
    assert np.array_equal(diagonal_scan(A.conj(), B.conj(), C.conj(), u).y, y)


@pytest.mark.parametrize("library", [np, *LIBRARIES])
@pytest.mark.parametrize(
    ("shapes", "lead"),
    [
        (((0, 4), (4,), (4,), (9,), (0,)), (0,)),
        (((2, 1, 3), (3,), (5, 3), (5, 9), ()), (2, 5)),
        (((3,), (3,), (3,), (2, 4, 0), (4,)), (2, 4)),
        (((0,), (0,), (0,), (2, 6), (2,)), (2,)),
        (((1,), (1,), (1,), (1,), ()), ()),
    ],
)
def test_shapes(library, shapes, lead):
    xp = library if library is np else pytest.importorskip(library)
    rng = np.random.default_rng(0)
    A, B, C, u, D = (rng.uniform(-0.9, 0.9, shape) for shape in shapes)
    y, state = diagonal_scan(*(xp.asarray(x) for x in (A, B, C, u)), D=xp.asarray(D))
    assert tuple(y.shape) == (*lead, u.shape[-1])
    assert tuple(state.shape) == (*lead, A.shape[-1])
    if u.shape[-1]:
        expected_y, expected_state = reference(A, B, C, u, D)
        np.testing.assert_allclose(np.from_dlpack(y), np.float64(expected_y), atol=1e-14)
        np.testing.assert_allclose(np.from_dlpack(state), np.complex128(expected_state), atol=1e-14)
    y_bar = xp.ones(y.shape, dtype=y.dtype)
    gradients = diagonal_scan_adjoint(*(xp.asarray(x) for x in (A, B, C, u)), y_bar, D=xp.asarray(D))
    for name, like in zip(("A_bar", "B_bar", "C", "u", "D"), (A, B, C, u, D), strict=True):
        assert tuple(getattr(gradients, name).shape) == like.shape
        assert getattr(gradients, name).dtype == y.dtype
    assert gradients.x0 is None


@pytest.mark.parametrize("library", [np, "array_api_strict"])
def test_an_empty_chunk_keeps_the_state(library):
    xp = library if library is np else pytest.importorskip(library)
    x0, halves, nothing = xp.asarray([1.0 + 2j, 3.0]), xp.asarray([0.5, 0.5]), xp.zeros((0,))
    y, state = diagonal_scan(halves, halves, halves, nothing, x0=x0)
    assert y.shape == (0,)
    assert bool(xp.all(state == x0))
    gradients = diagonal_scan_adjoint(halves, halves, halves, nothing, nothing, x0=x0, state_bar=x0)
    assert bool(xp.all(gradients.x0 == x0))
    assert bool(xp.all(gradients.A_bar == 0.0))


def test_inputs_are_not_changed():
    A, B, C = model()
    u, x0 = np.ones((3, 10)), np.ones((3, 32), complex)
    before = [x.copy() for x in (A, B, C, u, x0)]
    for x in (A, B, C, u, x0):
        x.setflags(write=False)
    diagonal_scan(A, B, C, u, x0=x0)
    diagonal_scan_adjoint(A, B, C, u, u, x0=x0, state_bar=x0)
    assert all(np.array_equal(x, y) for x, y in zip((A, B, C, u, x0), before, strict=True))


def test_strided_input():
    A, B, C = model(channels=6)
    u = np.random.default_rng(0).standard_normal((100, 6)).T
    expected = diagonal_scan(*(x[::2, ::-3].copy() for x in (A, B, C)), u[::2, ::4].copy())
    assert np.array_equal(diagonal_scan(*(x[::2, ::-3] for x in (A, B, C)), u[::2, ::4]).y, expected.y)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
def test_dtypes(dtype):
    kept = np.float64 if dtype == np.int64 else dtype
    A, B, C = (np.array([x]).astype(dtype) for x in (1, 2, 3))
    u = np.array([1, 0, 1]).astype(dtype)
    y, state = diagonal_scan(A, B, C, u, D=np.array(1).astype(dtype))
    assert y.dtype == kept
    assert state.dtype == np.complex128
    assert y.tolist() == [13, 12, 25]
    gradients = diagonal_scan_adjoint(A, B, C, u, u)
    assert all(getattr(gradients, name).dtype == kept for name in ("A_bar", "B_bar", "C", "u"))
    assert diagonal_scan(A, B, C, u.astype(float)).y.dtype == np.float64


@given(st.integers(0, 10**6), st.sampled_from([1, 2, 3, 63, 64, 65, 500]), st.integers(1, 40))
def test_adjoint_in_the_input_and_the_first_state(seed, length, n):
    A, B, C = model(n, 2, seed)
    rng = np.random.default_rng(seed)
    u, y_bar = rng.standard_normal((2, 2, length))
    D, x0, state_bar = rng.standard_normal(2), *(rng.standard_normal((2, 2, n)) + 1j)
    y, state = diagonal_scan(A, B, C, u, D=D, x0=x0)
    gradients = diagonal_scan_adjoint(A, B, C, u, y_bar, D=D, x0=x0, state_bar=state_bar)
    value = np.sum(y * y_bar) + np.vdot(state_bar, state).real
    found = np.sum(gradients.u * u) + np.vdot(gradients.x0, x0).real
    norm = np.linalg.norm(y) * np.linalg.norm(y_bar) + np.linalg.norm(state) * np.linalg.norm(state_bar)
    assert abs(found - value) <= 1e-13 * norm
    # Linear in C and D together, too.
    found = np.vdot(gradients.C, C).real + np.sum(gradients.D * D)
    assert abs(found - np.sum(y * y_bar)) <= 1e-13 * norm
    # And in B and x0, for no feedthrough.
    found = np.vdot(gradients.B_bar, B).real + np.vdot(gradients.x0, x0).real
    assert abs(found - (value - np.sum(D[:, None] * u * y_bar))) <= 1e-13 * norm


def test_gradient_by_the_modes_is_the_derivative():
    A, B, C = model(5, 2)
    rng = np.random.default_rng(3)
    u, y_bar = rng.standard_normal((2, 2, 200))
    x0, state_bar, d = rng.standard_normal((3, 2, 5)) + 1j * rng.standard_normal((3, 2, 5))
    grad = diagonal_scan_adjoint(A, B, C, u, y_bar, x0=x0, state_bar=state_bar).A_bar

    def value(h):
        y, state = diagonal_scan(A + h * d, B, C, u, x0=x0, allow_unstable=True)
        return np.sum(y * y_bar) + np.vdot(state_bar, state).real

    h = 1e-5
    slope = (8 * (value(h) - value(-h)) - (value(2 * h) - value(-2 * h))) / (12 * h)
    assert np.vdot(grad, d).real == pytest.approx(slope, rel=1e-7)


def test_gradients_of_broadcast_and_real_arguments_are_sums():
    rng = np.random.default_rng(0)
    A, B, C = rng.uniform(-0.9, 0.9, 3), rng.standard_normal((2, 1, 3)) + 1j, rng.standard_normal((4, 3))
    u, y_bar, D = rng.standard_normal(30), rng.standard_normal((2, 4, 30)), rng.standard_normal((2, 1))
    found = diagonal_scan_adjoint(A, B, C, u, y_bar, D=D)
    args = [np.broadcast_to(x, (2, 4, x.shape[-1])) + 0 for x in (A + 0j, B, C + 0j, u)]
    full = diagonal_scan_adjoint(*args, y_bar, D=np.broadcast_to(D, (2, 4)))
    np.testing.assert_allclose(found.A_bar, full.A_bar.sum(axis=(0, 1)).real, rtol=1e-12)
    np.testing.assert_allclose(found.B_bar, full.B_bar.sum(axis=1, keepdims=True), rtol=1e-12)
    np.testing.assert_allclose(found.C, full.C.sum(axis=0).real, rtol=1e-12)
    np.testing.assert_allclose(found.u, full.u.sum(axis=(0, 1)), rtol=1e-12)
    np.testing.assert_allclose(found.D, full.D.sum(axis=1, keepdims=True), rtol=1e-12)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize("length", [1, 37, 5000])
def test_other_libraries(library, dtype, length):
    xp = pytest.importorskip(library)
    A, B, C = (x.astype(dtype) for x in model(n=5))
    A = (0.999 * A).astype(dtype)
    rng = np.random.default_rng(0)
    u, y_bar = rng.standard_normal((2, 3, length)).astype(A.real.dtype)
    D, x0, state_bar = rng.standard_normal(3).astype(A.real.dtype), *model(n=5)[1:]
    options = {"D": D, "x0": x0}
    arrays = [xp.asarray(x) for x in (A, B, C, u)]
    there = {name: xp.asarray(x) for name, x in options.items()}
    y, state = diagonal_scan(*arrays, **there)
    there_bar = {"y_bar": xp.asarray(y_bar), "state_bar": xp.asarray(state_bar)}
    gradients = diagonal_scan_adjoint(*arrays, **there_bar, **there)
    found = [y, state, *gradients.asdict().values()]
    y, state = diagonal_scan(A, B, C, u, **options)
    gradients = diagonal_scan_adjoint(A, B, C, u, y_bar, state_bar=state_bar, **options)
    expected = [y, state, *gradients.asdict().values()]
    for a, b in zip(found, expected, strict=True):
        assert type(a) is type(arrays[0])
        a = np.from_dlpack(a)
        assert a.dtype == b.dtype
        assert np.abs(a - b).max() <= 500 * np.finfo(b.dtype).eps * np.abs(b).max()
    with pytest.raises(TypeError, match="must be arrays of one library"):
        diagonal_scan(*arrays[:3], u)
    with pytest.raises(TypeError, match="must be arrays of one library"):
        diagonal_scan(*arrays, x0=x0)


def test_the_device_is_kept():
    xp = pytest.importorskip("array_api_strict")
    device = xp.Device("device1")
    A, u = xp.asarray([0.5, 0.25], device=device), xp.ones(10, device=device)
    result = diagonal_scan(A, A, A, u)
    assert result.y.device == result.state.device == device
    gradients = diagonal_scan_adjoint(A, A, A, u, u)
    assert all(x.device == device for x in gradients.asdict().values() if x is not None)


def test_modes_on_the_unit_circle_are_stable_and_those_outside_are_not():
    on = np.exp(1j * np.linspace(0, 3, 50))
    ones, u = np.ones(50), np.ones(3)
    diagonal_scan(on, ones, ones, u)
    diagonal_scan(on.astype(np.complex64), ones, ones, u)
    with pytest.raises(ValueError, match=r"A_bar must be of modulus at most 1; got an excess of 1e-06"):
        diagonal_scan(on * (1 + 1e-6), ones, ones, u)
    y = diagonal_scan([2.0], [1.0], [0.5], np.ones(4), allow_unstable=True).y
    assert y.tolist() == [1.0, 3.0, 7.0, 15.0]
    with pytest.raises(ValueError, match="A_bar must be of modulus at most 1"):
        diagonal_scan_adjoint([2.0], [1.0], [0.5], u, u)


def test_the_result_unpacks_and_shows_its_fields():
    result = diagonal_scan([0.5], [1.0], [1.0], [1.0, 2.0])
    y, state = result
    assert y is result.y
    assert state is result.state
    assert "state" in repr(result)


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"A_bar": 0.5}, ValueError, "A_bar must be an array with at least one axis"),
        ({"B_bar": [1.0, 2.0]}, ValueError, r"B_bar must be of shape \(..., 1\)"),
        ({"C": [[1.0, 2.0]]}, ValueError, r"C must be of shape \(..., 1\)"),
        ({"x0": [1.0, 2.0]}, ValueError, r"x0 must be of shape \(..., 1\)"),
        ({"u": 1.0}, ValueError, "u must be an array with at least one axis"),
        ({"u": [1j]}, TypeError, "u must be real"),
        ({"D": 1j}, TypeError, "D must be real"),
        ({"D": np.ones(2), "u": np.ones((3, 4))}, ValueError, "of leading axes that broadcast"),
        ({"A_bar": [np.nan]}, ValueError, "A_bar must be finite"),
        ({"B_bar": [np.inf]}, ValueError, "B_bar must be finite"),
        ({"x0": [np.inf]}, ValueError, "x0 must be finite"),
        ({"u": [np.nan]}, ValueError, "u must be finite"),
        ({"C": ["x"]}, TypeError, "C must be of a real or complex"),
        ({"u": None}, TypeError, "u must be an array of numbers; got None"),
        ({"allow_unstable": 1}, TypeError, "allow_unstable must be True or False"),
    ],
)
def test_bad_input(changes, kind, message):
    arguments = {"A_bar": [0.5], "B_bar": [1.0], "C": [1.0], "u": [1.0, 2.0], **changes}
    with pytest.raises(kind, match=message):
        diagonal_scan(**arguments)


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"y_bar": [1.0]}, ValueError, r"y_bar must be of shape \(..., 2\)"),
        ({"y_bar": [1j, 1j]}, TypeError, "y_bar must be real"),
        ({"state_bar": [1.0, 2.0]}, ValueError, r"state_bar must be of shape \(..., 1\)"),
        ({"u": np.ones((2, 2)), "y_bar": np.ones((3, 2))}, ValueError, "model and y_bar must be"),
    ],
)
def test_bad_cotangents(changes, kind, message):
    arguments = {
        "A_bar": [0.5],
        "B_bar": [1.0],
        "C": [1.0],
        "u": [1.0, 2.0],
        "y_bar": [1.0, 2.0],
        **changes,
    }
    with pytest.raises(kind, match=message):
        diagonal_scan_adjoint(**arguments)


@pytest.mark.parametrize("library", ["numpy", "torch", "array_api_strict"])
def test_no_steps_share_no_memory(library):
    xp = pytest.importorskip(library)
    A, x0, y = (
        xp.zeros(3, dtype=xp.complex128),
        xp.ones(3, dtype=xp.complex128),
        xp.zeros(0, dtype=xp.float64),
    )
    diagonal_scan(A, A, A, y, x0=x0).state[...] = 5.0
    grads = diagonal_scan_adjoint(A, A, A, y, y, x0=x0, state_bar=x0)
    grads.A_bar[...], grads.x0[...] = 7.0, 8.0
    for untouched, value in ((x0, 1.0), (grads.B_bar, 0.0), (grads.C, 0.0), (A, 0.0)):
        assert bool(xp.all(untouched == value))
