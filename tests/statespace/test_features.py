"""Features against the recurrence that they stand for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from spectralkit.statespace import (
    StateSpaceFeatures,
    diagonal_init,
    diagonal_scan,
    discretize,
    hippo,
    legs_kernel,
)

INITS = ("ptd", "legs", "inv", "lin")


def sequences(n=6, length=50, seed=0):
    return np.random.default_rng(seed).standard_normal((n, length))


def by_recurrence(X, init, n, dt):
    """Return the real states after the last step, one step after the other."""
    system = diagonal_init(init, n)
    A_bar, B_bar = discretize(system.A, system.B, dt)
    x = np.zeros((len(X), len(A_bar)), complex)
    for u in X.T:
        x = A_bar * x + B_bar * u[:, None]
    return 2.0 * ((x * system.weight) @ system.basis.T).real


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("length", [1, 2, 50, 1023, 1024, 1025, 3000])
def test_features_are_the_final_states(init, length):
    X = sequences(4, length)
    features = StateSpaceFeatures(8, init, dt_min=0.01, dt_max=0.09, n_scales=3).fit(X)
    assert_allclose(features.dt_, [0.01, 0.03, 0.09])
    expected = np.hstack([by_recurrence(X, init, 8, dt) for dt in features.dt_])
    assert_allclose(features.transform(X), expected, atol=2e-10 * np.abs(expected).max())


def test_features_are_those_of_a_scan():
    X = sequences(3, 200)
    features = StateSpaceFeatures(16, n_scales=2).fit(X)
    system = diagonal_init("ptd", 16)
    for s, dt in enumerate(features.dt_):
        A_bar, B_bar = discretize(system.A, system.B, dt)
        state = diagonal_scan(A_bar, B_bar, system.weight, X).state
        full = 2.0 * (state * system.weight) @ system.basis.T
        found = features.transform(X)[:, 16 * s : 16 * (s + 1)]
        assert_allclose(found, full.real, atol=1e-8 * np.abs(found).max())


def test_ptd_features_are_those_of_the_dense_system():
    """Zero-order hold of LegS itself, which only the exponential of the matrix gives otherwise."""
    n, dt, X = 24, 0.05, sequences(5, 80)
    A_bar, B_bar = discretize(*hippo("legs", n), dt)
    x = np.zeros((5, n))
    for u in X.T:
        x = x @ A_bar.T + u[:, None] * B_bar
    found = StateSpaceFeatures(n, dt_min=dt, dt_max=dt, n_scales=1).fit_transform(X)
    assert_allclose(found, x, atol=1e-6 * np.abs(x).max())


def test_slow_constant_input_ends_in_the_steady_state():
    """LegS forgets all but the mean of a constant: the first state, by orthogonality."""
    X = np.ones((1, 3000))
    found = StateSpaceFeatures(12, dt_min=0.02, dt_max=0.02, n_scales=1).fit_transform(X)[0]
    assert_allclose(found, np.eye(12)[0], atol=1e-6)


@given(st.integers(0, 10**6), st.floats(-3.0, 3.0))
@settings(max_examples=10)
def test_linear(seed, a):
    X, Y = sequences(2, 40, seed), sequences(2, 40, seed + 1)
    features = StateSpaceFeatures(10).fit(X)
    combined = features.transform(X + a * Y)
    expected = features.transform(X) + a * features.transform(Y)
    assert_allclose(combined, expected, atol=1e-12)


def test_leading_zeros_change_nothing():
    """A system at rest stays at rest, so that what matters is the time since an input."""
    X = sequences(3, 30)
    longer = np.hstack([np.zeros((3, 1500)), X])
    short, long = (StateSpaceFeatures(12, n_scales=2).fit_transform(table) for table in (X, longer))
    assert_allclose(long, short, atol=1e-13)


@pytest.mark.parametrize("init", INITS)
def test_channels_are_separate_sequences(init):
    X = np.random.default_rng(0).standard_normal((5, 1100, 3))
    found = StateSpaceFeatures(8, init, n_scales=2).fit(X).transform(X)
    single = [StateSpaceFeatures(8, init, n_scales=2).fit_transform(X[:, :, c]) for c in range(3)]
    assert_allclose(found, np.hstack(single), atol=1e-12)


def test_names():
    X = sequences(2, 10)
    features = StateSpaceFeatures(2, n_scales=2).fit(X)
    expected = ["scale0_state0", "scale0_state1", "scale1_state0", "scale1_state1"]
    assert features.get_feature_names_out().tolist() == expected
    features.fit(np.stack([X, X], axis=2))
    expected = [f"channel{c}_{name}" for c in (0, 1) for name in expected]
    assert features.get_feature_names_out().tolist() == expected
    assert features.transform(np.stack([X, X], axis=2)).shape == (2, 8)


def test_scales():
    dt = [StateSpaceFeatures(2, n_scales=s).fit(sequences()).dt_ for s in (1, 2, 4)]
    assert_allclose(dt[0], [0.01])
    assert_allclose(dt[1], [1e-3, 0.1])
    assert_allclose(dt[2][1:] / dt[2][:-1], 100 ** (1 / 3))


def test_finest_scale_holds_integrals():
    """With all steps well within one unit of time the first state is the integral, dt Σ u."""
    X = sequences(4, 20)
    found = StateSpaceFeatures(4, dt_min=1e-7, dt_max=1e-7, n_scales=1).fit_transform(X)[:, 0]
    assert_allclose(found, 1e-7 * X.sum(axis=1), rtol=1e-4)


def test_fit_is_deterministic_and_blind():
    """Nothing is learnt from the values."""
    X, Y = sequences(seed=0), sequences(seed=1)
    first = StateSpaceFeatures().fit(X).transform(X)
    assert_array_equal(StateSpaceFeatures().fit(Y).transform(X), first)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtype(dtype):
    X = sequences().astype(dtype)
    found = StateSpaceFeatures(16).fit_transform(X)
    assert found.dtype == dtype
    exact = StateSpaceFeatures(16).fit_transform(X.astype(float))
    assert_allclose(found, exact, atol=np.finfo(dtype).eps * np.abs(exact).max())


def test_lists_and_integers():
    X = np.arange(24).reshape(2, 4, 3)
    expected = StateSpaceFeatures(4).fit_transform(X.astype(float))
    assert_array_equal(StateSpaceFeatures(4).fit_transform(X), expected)
    assert_array_equal(StateSpaceFeatures(4).fit_transform(X.tolist()), expected)


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
def test_other_libraries(library):
    xp = pytest.importorskip(library)
    X = np.random.default_rng(0).standard_normal((4, 1200, 2))
    for table in (X, X[:, :, 0]):
        expected = StateSpaceFeatures(8).fit_transform(table)
        there = xp.asarray(table)
        features = StateSpaceFeatures(8).fit(there)
        found = features.transform(there)
        assert type(found) is type(there) is type(features.dt_)
        assert_allclose(np.asarray(found), expected, atol=1e-12)
        with pytest.raises(TypeError, match="as in fit"):
            features.transform(table)


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
def test_bad_sequences_of_other_libraries(library):
    xp = pytest.importorskip(library)
    features = StateSpaceFeatures(4)
    bad = np.zeros((2, 3, 2))
    bad[1, 2, 1] = np.nan
    with pytest.raises(ValueError, match="X must be finite"):
        features.fit(xp.asarray(bad))
    for shape in ((3,), (2, 0), (0, 2), (2, 3, 0), (1, 2, 3, 4)):
        with pytest.raises(ValueError, match=r"array|shape"):
            features.fit(xp.zeros(shape))
    assert not hasattr(features, "n_features_in_")
    features.fit(xp.zeros((2, 5, 2)))
    with pytest.raises(ValueError, match="expecting 5 features"):
        features.transform(xp.zeros((2, 4, 2)))


def test_bad_sequences():
    features = StateSpaceFeatures(4)
    for shape in ((2, 3, 0), (1, 2, 3, 4), (2, 0, 3), (0, 3, 2)):
        with pytest.raises(ValueError, match="shape"):
            features.fit(np.zeros(shape))
    with pytest.raises(ValueError, match="NaN"):
        features.fit(np.full((2, 3, 2), np.nan))
    assert list(vars(features)) == ["n_states", "init", "dt_min", "dt_max", "n_scales"]
    features.fit(np.zeros((2, 5, 2)))
    with pytest.raises(ValueError, match="expecting 5 features"):
        features.transform(np.zeros((2, 4, 2)))
    with pytest.raises(ValueError, match="2 channels, as in fit; got 3 channels"):
        features.transform(np.zeros((2, 5, 3)))
    with pytest.raises(ValueError, match="2 channels, as in fit; got two axes"):
        features.transform(np.zeros((2, 5)))
    features.fit(np.zeros((2, 5)))
    with pytest.raises(ValueError, match="two axes, as in fit; got 1 channels"):
        features.transform(np.zeros((2, 5, 1)))
    with pytest.raises(TypeError, match="X must be of a real or complex"):
        features.fit(np.zeros((2, 5), np.longdouble))


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"n_states": 0}, ValueError, "n_states must be"),
        ({"n_states": 4.0}, TypeError, "n_states must be"),
        ({"n_states": 5, "init": "legs"}, ValueError, "n_states must be even"),
        ({"init": "hippo"}, ValueError, "init must be one of"),
        ({"dt_min": 0.0}, ValueError, "dt_min must be"),
        ({"dt_min": "a"}, TypeError, "dt_min must be"),
        ({"dt_max": 1e-4}, ValueError, "dt_max must be"),
        ({"dt_max": np.inf}, ValueError, "dt_max must be"),
        ({"n_scales": 0}, ValueError, "n_scales must be"),
    ],
)
def test_bad_parameters(options, error, match):
    features = StateSpaceFeatures(**options)
    with pytest.raises(error, match=match):
        features.fit(sequences())
    assert not hasattr(features, "n_features_in_")


def test_odd_numbers_of_states():
    assert StateSpaceFeatures(7, n_scales=1).fit_transform(sequences()).shape == (6, 7)


def test_memory_of_long_sequences_is_that_of_blocks():
    """The responses of all steps would take 200 MB."""
    import tracemalloc

    X = np.zeros((2, 200_000))
    features = StateSpaceFeatures(32).fit(X)
    tracemalloc.start()
    features.transform(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6


def test_responses_are_the_integrated_kernel():
    """One input of 1, 30 steps ago: the kernel of LegS over that step."""
    n, dt, age = 10, 0.01, 30
    X = np.zeros((1, 100))
    X[0, -1 - age] = 1.0
    found = StateSpaceFeatures(n, dt_min=dt, dt_max=dt, n_scales=1).fit_transform(X)[0]
    nodes, weights = np.polynomial.legendre.leggauss(12)
    K = legs_kernel(n, (age + 0.5 + 0.5 * nodes) * dt)
    assert_allclose(found, 0.5 * dt * weights @ K, atol=1e-8)


def test_digits_with_a_kernel_machine():
    """The image is one sequence of 64 pixels; a machine on the raw pixels reaches 0.987."""
    X, y = load_digits(return_X_y=True)
    model = make_pipeline(StateSpaceFeatures(), StandardScaler(), SVC())
    assert model.fit(X[:1200], y[:1200]).score(X[1200:], y[1200:]) > 0.94


def test_dt_is_a_copy():
    X = np.random.default_rng(0).standard_normal((3, 20))
    features = StateSpaceFeatures(n_states=4).fit(X)
    expected = features.transform(X)
    features.dt_[:] = 0.0
    np.testing.assert_array_equal(features.transform(X), expected)


def test_masks_and_steps_that_overflow():
    X = np.ones((3, 20))
    with pytest.raises(TypeError, match="X must be an array without a mask"):
        StateSpaceFeatures().fit(np.ma.masked_array(X))
    with pytest.raises(ValueError, match="dt must be such that dt A does not overflow"):
        StateSpaceFeatures(dt_max=1e308).fit(X)
