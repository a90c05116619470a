"""Sparse weights: which lines are left, and that the evidence is stationary there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from spectralkit.gaussian_process import sparse_spectral_weights

LINES = np.arange(1, 125)
GROUPS = np.tile(LINES, 2)


def dictionary(x, lines=LINES):
    phase = np.outer(x, lines)
    return np.hstack([np.cos(phase), np.sin(phase)])


@pytest.mark.parametrize("end", [2 * np.pi, 2.0])
@pytest.mark.parametrize("noise_var", [1e-2, 1e-6])
def test_product_of_waves_has_two_lines(end, noise_var):
    x = np.linspace(0, end, 400)
    weights, active = sparse_spectral_weights(
        dictionary(x), np.sin(6 * x) * np.cos(100 * x), noise_var, GROUPS
    )
    assert_array_equal(LINES[active], [94, 106])
    # Amplitudes of a half, in one of two columns.
    assert_allclose(weights[active], 0.125, rtol=1e-3)
    assert_array_equal(weights[~active], 0.0)


def test_fewer_rows_than_columns():
    x = np.linspace(0, 2.0, 150)
    y = np.cos(20 * x) + 2 * np.sin(77 * x)
    _, active = sparse_spectral_weights(dictionary(x), y, 1e-4, GROUPS)
    assert_array_equal(LINES[active], [20, 77])


def test_evidence_is_stationary():
    """The logarithmic derivative of the evidence by the weights that are left vanishes."""
    rng = np.random.default_rng(0)
    n, groups, noise_var = 60, np.repeat(np.arange(5), 2), 0.1
    Phi = rng.standard_normal((n, 10))
    y = Phi[:, :4] @ [1.0, -2.0, 0.5, 1.0] + np.sqrt(noise_var) * rng.standard_normal(n)
    weights, active = sparse_spectral_weights(Phi, y, noise_var, groups, n_iter=500)
    assert active[:2].all()

    def evidence(log_weights):
        w = np.zeros(5)
        w[active] = np.exp(log_weights)
        C = noise_var * np.eye(n) + (Phi * w[groups]) @ Phi.T
        return -0.5 * (np.linalg.slogdet(C)[1] + y @ np.linalg.solve(C, y))

    start, h = np.log(weights[active]), 1e-4
    for i in range(len(start)):
        step = h * (np.arange(len(start)) == i)
        slope = (evidence(start + step) - evidence(start - step)) / (2 * h)
        assert abs(slope) <= 1e-5


@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-12, 1e-3, 1e12]))
def test_units_permutation_and_labels(seed, c):
    rng = np.random.default_rng(seed)
    n, p = rng.integers(5, 40), 12
    Phi, groups = rng.standard_normal((n, p)), rng.integers(0, 4, p)
    y = Phi[:, 0] + 0.1 * rng.standard_normal(n)
    weights, active = sparse_spectral_weights(Phi, y, 0.01, groups, n_iter=10)
    assert len(weights) == len(active) == len(np.unique(groups))
    scaled, same = sparse_spectral_weights(Phi, c * y, 0.01 * c**2, groups, n_iter=10)
    assert_allclose(scaled, c**2 * weights, rtol=1e-6, atol=1e-6 * c**2 * weights.max())
    order = rng.permutation(p)
    other, same = sparse_spectral_weights(Phi[:, order], y, 0.01, groups[order], n_iter=10)
    assert_allclose(other, weights, rtol=1e-6, atol=1e-6 * weights.max())
    if weights[active].min() > 1e-5 * weights.max():  # not at the edge
        assert_array_equal(same, active)
    assert_allclose(sparse_spectral_weights(Phi, y, 0.01, 7 - groups, n_iter=10)[0], weights[::-1], rtol=1e-6)


def test_nothing_is_left_of_nothing():
    for y in (np.zeros(30), np.full(30, 1e-200)):
        weights, active = sparse_spectral_weights(np.ones((30, 2)), y, 1.0, [0, 1])
        assert_array_equal(weights > 0, active)
        assert weights.max() <= 1e-300
    weights, active = sparse_spectral_weights(np.zeros((30, 2)), np.ones(30), 1.0, [0, 1])
    assert_array_equal(weights, 0.0)
    assert not active.any()


def test_prune():
    rng = np.random.default_rng(0)
    Phi = rng.standard_normal((50, 4))
    y = Phi @ [1.0, 0.1, 0.0, 0.0] + 1e-3 * rng.standard_normal(50)
    _, active = sparse_spectral_weights(Phi, y, 1e-6, range(4), prune=0.1)
    assert_array_equal(active, [True, False, False, False])
    weights, active = sparse_spectral_weights(Phi, y, 1e-6, range(4), prune=0.0, n_iter=3)
    assert active.all()
    assert_allclose(weights[:2], [1.0, 0.01], rtol=0.05)


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
@pytest.mark.parametrize("n", [300, 100])
def test_other_libraries(library, n):
    xp = pytest.importorskip(library)
    x = np.linspace(0, 2.0, n)
    Phi, y = dictionary(x), np.sin(33 * x)
    expected, left = sparse_spectral_weights(Phi, y, 1e-3, GROUPS)
    for groups in (GROUPS, xp.asarray(GROUPS)):
        weights, active = sparse_spectral_weights(xp.asarray(Phi), xp.asarray(y), 1e-3, groups)
        assert type(weights) is type(active) is type(xp.asarray(y))
        assert weights.dtype == xp.float64
        assert active.dtype == xp.bool
        assert_allclose(np.from_dlpack(weights), expected, rtol=1e-9, atol=1e-9)
        assert_array_equal(np.asarray(active), left)
    with pytest.raises(TypeError, match="one library"):
        sparse_spectral_weights(xp.asarray(Phi), y, 1e-3, GROUPS)


def test_dtypes_and_layouts():
    x = np.linspace(0, 2.0, 300)
    Phi, y = dictionary(x), np.sin(33 * x)
    expected, left = sparse_spectral_weights(Phi, y, 1e-3, GROUPS)
    weights, active = sparse_spectral_weights(Phi.astype("f4"), y.astype("f4"), 1e-3, GROUPS)
    assert weights.dtype == np.float32
    assert active.dtype == bool
    assert_array_equal(active, left)
    assert sparse_spectral_weights(Phi.astype("f4"), y, 1e-3, GROUPS)[0].dtype == np.float64
    other, signal = np.asfortranarray(Phi), np.repeat(y, 2)[::2]
    other.flags.writeable = signal.flags.writeable = False
    assert_allclose(sparse_spectral_weights(other, signal, 1e-3, GROUPS)[0], expected, rtol=1e-9)
    assert_array_equal(other, Phi)


@pytest.mark.parametrize("power", [-520, -490, 490, 520])
def test_scales_whose_squares_are_out_of_range(power):
    rng = np.random.default_rng(0)
    Phi, groups = rng.standard_normal((50, 6)), [0, 0, 1, 1, 2, 2]
    y = Phi[:, 0] * 2 + 0.1 * rng.standard_normal(50)
    expected = sparse_spectral_weights(Phi, y, 0.01, groups)[0]
    scale = 2.0**power
    # In both it is the ratio that counts; the noise is a number in each.
    noise_var = min(max(0.01 * scale * scale, 1e-320), 1e300)
    found = sparse_spectral_weights(Phi * scale, y * scale, noise_var, groups)[0]
    assert_allclose(found[0], expected[0], rtol=1e-2)
    if abs(power) < 500:
        for other in (
            sparse_spectral_weights(Phi, y * scale, 0.01 * scale**2, groups)[0] / scale / scale,
            sparse_spectral_weights(Phi / scale, y, 0.01, groups)[0] / scale / scale,
        ):
            assert_allclose(other, expected, rtol=1e-9, atol=1e-12)
    elif power > 0:
        for Phi_scale, y_scale in ((1.0, scale), (1.0 / scale, 1.0)):
            with pytest.raises(ValueError, match="every weight is finite in float64"):
                sparse_spectral_weights(Phi * Phi_scale, y * y_scale, 0.01, groups)


def test_weights_that_vanish():
    Phi, y = np.eye(3, dtype=np.float32) * np.float32(1e18), np.full(3, 1e-18, np.float32)
    with pytest.raises(ValueError, match=r"weights are positive in float32; got .* vanish"):
        sparse_spectral_weights(Phi, y, 1e-40, range(3))


def test_half_precision():
    x = np.linspace(0, 2.0, 300)
    Phi, y = dictionary(x).astype(np.float16), np.sin(33 * x).astype(np.float16)
    weights, active = sparse_spectral_weights(Phi, y, 1e-3, GROUPS, prune=1e-3)
    assert weights.dtype == np.float16
    assert_array_equal(LINES[active], [33])
    assert_array_equal(weights > 0, active)
    assert sparse_spectral_weights(Phi, y.astype("f4"), 1e-3, GROUPS, n_iter=1)[0].dtype == np.float32
    assert sparse_spectral_weights(Phi.astype("f8"), y, 1e-3, GROUPS, n_iter=1)[0].dtype == np.float64
    with pytest.raises(ValueError, match="every weight is finite in float16"):
        sparse_spectral_weights(Phi, 1000 * y, 1e-3, GROUPS)


@pytest.mark.parametrize("first", [2**53, -(2**62), 2**63])
def test_labels_that_doubles_do_not_tell_apart(first):
    Phi = np.random.default_rng(0).standard_normal((20, 3))
    expected = sparse_spectral_weights(Phi, Phi[:, 0], 0.01, range(3))
    found = sparse_spectral_weights(Phi, Phi[:, 0], 0.01, [first, first + 1, first + 2])
    for a, b in zip(found, expected, strict=True):
        assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (dict(Phi=np.ones(4)), ValueError, r"Phi must be of shape \(n, p\)"),
        (dict(Phi=np.ones((4, 0)), groups=[]), ValueError, "not empty"),
        (dict(Phi=1j * np.ones((4, 2))), TypeError, "Phi must be real"),
        (dict(y=1j * np.ones(4)), TypeError, "y must be real"),
        (dict(y=np.ones(3)), ValueError, r"y must be of shape \(4,\)"),
        (dict(y=[1.0, np.nan, 1.0, 1.0]), ValueError, "y must be finite"),
        (dict(noise_var=0.0), ValueError, "noise_var must be"),
        (dict(noise_var=None), TypeError, "noise_var must be"),
        (dict(groups=[0]), ValueError, r"groups must be of shape \(2,\)"),
        (dict(groups=[0.5, 1.0]), TypeError, "groups must be integer"),
        (dict(groups=["a", "b"]), TypeError, "groups must be"),
        (dict(n_iter=0), ValueError, "n_iter must be"),
        (dict(prune=1.0), ValueError, "prune must be"),
        (dict(prune=-1.0), ValueError, "prune must be"),
    ],
)
def test_errors(change, error, match):
    arguments = dict(Phi=np.ones((4, 2)), y=np.ones(4), noise_var=1.0, groups=[0, 1]) | change
    first = [arguments.pop(name) for name in ("Phi", "y", "noise_var", "groups")]
    with pytest.raises(error, match=match):
        sparse_spectral_weights(*first, **arguments)
