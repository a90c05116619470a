"""Ridge on states against scikit-learn's on the same features, in one piece and in many."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import LinearRegression, Ridge, RidgeClassifier
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import spectralkit.statespace._ridge as ridge
from spectralkit.statespace import (
    StateSpaceClassifier,
    StateSpaceFeatures,
    StateSpaceRegressor,
    diagonal_scan,
)

SMALL = {"n_states": 8, "n_scales": 2, "dt_min": 0.05, "dt_max": 0.5}


def series(n=80, length=40, channels=None, seed=0):
    rng = np.random.default_rng(seed)
    shape = (n, length) if channels is None else (n, length, channels)
    return rng.standard_normal(shape).cumsum(axis=1)


def targets(X, k=None, seed=0):
    rng = np.random.default_rng(seed)
    X = X.reshape(len(X), -1)
    y = X @ rng.standard_normal((X.shape[1], k or 1)) + rng.standard_normal((len(X), k or 1))
    return y if k else y[:, 0]


def labels(X, k=2):
    return np.array(["ant", "bee", "cat", "dog"])[np.digitize(X.mean(axis=1), [0.0, 1.5, 3.0][: k - 1])]


def reference(model, Learner, X, y, w=None):
    """Return scikit-learn's ridge behind its scaler, on our features."""
    names = ("n_states", "init", "dt_min", "dt_max", "n_scales")
    features = StateSpaceFeatures(**{name: getattr(model, name) for name in names})
    pipeline = make_pipeline(features, StandardScaler(), Learner(alpha=model.alpha))
    weights = (
        {}
        if w is None
        else {"standardscaler__sample_weight": w, f"{Learner.__name__.lower()}__sample_weight": w}
    )
    return pipeline.fit(X, y, **weights)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("k", [None, 1, 3])
@pytest.mark.parametrize("channels", [None, 2])
@pytest.mark.parametrize("alpha", [1e-3, 1.0, 100.0])
def test_regressor_is_ridge_behind_a_scaler(alpha, channels, k, weighted):
    X = series(channels=channels)
    y = targets(X, k)
    w = np.random.default_rng(1).uniform(0.0, 2.0, len(X)) if weighted else None
    model = StateSpaceRegressor(alpha=alpha, **SMALL).fit(X[:60], y[:60], w if w is None else w[:60])
    expected = reference(model, Ridge, X[:60], y[:60], w if w is None else w[:60])
    assert model.predict(X).shape == y.shape
    scale = np.abs(y).max()
    assert_allclose(model.predict(X), expected.predict(X).reshape(y.shape), atol=1e-10 * scale)
    F = 16 * (channels or 1)
    assert model.coef_.shape == ((F,) if k is None else (k, F))
    scaler, coef = expected[1], expected[2].coef_.reshape(model.coef_.shape)
    assert_allclose(model.coef_, coef / scaler.scale_, atol=1e-8 * np.abs(coef / scaler.scale_).max())
    assert isinstance(model.intercept_, float) if k is None else model.intercept_.shape == (k,)


@pytest.mark.parametrize("k", [2, 3, 4])
def test_classifier_is_ridge_classifier_behind_a_scaler(k):
    X = series(200)
    y = labels(X, k)
    model = StateSpaceClassifier(**SMALL).fit(X[:150], y[:150])
    expected = reference(model, RidgeClassifier, X[:150], y[:150])
    assert_array_equal(model.classes_, expected[-1].classes_)
    assert_allclose(model.decision_function(X), expected.decision_function(X), atol=1e-10)
    assert_array_equal(model.predict(X), expected.predict(X))
    rows = 1 if k == 2 else k
    assert model.coef_.shape == (rows, 16)
    assert model.intercept_.shape == (rows,)


def test_score_with_random_labels_is_chance():
    """What the tests above compare with is not constant."""
    X = series(400)
    y = labels(X)
    model = StateSpaceClassifier(**SMALL)
    assert model.fit(X[:200], y[:200]).score(X[200:], y[200:]) > 0.9
    shuffled = np.random.default_rng(0).permutation(y[:200])
    assert model.fit(X[:200], shuffled).score(X[200:], y[200:]) < 0.7


@given(st.lists(st.integers(1, 79), max_size=4, unique=True).map(sorted), st.sampled_from([None, 2]))
@settings(max_examples=12)
def test_partial_fit_is_fit(cuts, k):
    X = series(channels=2) + 50.0
    y, w = targets(X, k) + 1e3, np.random.default_rng(0).uniform(0.5, 2.0, 80)
    whole, parts = StateSpaceRegressor(**SMALL).fit(X, y, w), StateSpaceRegressor(**SMALL)
    for rows in np.split(np.arange(80), cuts):
        parts.partial_fit(X[rows], y[rows], w[rows])
    assert_allclose(parts.predict(X), whole.predict(X), rtol=1e-10)
    assert_allclose(parts.coef_, whole.coef_, atol=1e-8 * np.abs(whole.coef_).max())


def test_classifier_partial_fit_is_fit():
    X = series(120)
    y = labels(X, 3)
    order = np.argsort(y, kind="stable")  # one class after the other
    whole, parts = StateSpaceClassifier(**SMALL).fit(X, y), StateSpaceClassifier(**SMALL)
    for rows in np.array_split(order, 7):
        parts.partial_fit(X[rows], y[rows], classes=["cat", "ant", "bee"])
    assert_allclose(parts.decision_function(X), whole.decision_function(X), atol=1e-10)
    assert_array_equal(parts.classes_, ["ant", "bee", "cat"])
    parts.partial_fit(X[:1], y[:1])


def test_fit_forgets_what_was_before():
    X = series()
    y = targets(X)
    fresh = StateSpaceRegressor(**SMALL).fit(X[:30], y[:30])
    used = StateSpaceRegressor(**SMALL).fit(X, -y).partial_fit(X, y).fit(X[:30], y[:30])
    assert_array_equal(used.coef_, fresh.coef_)


@pytest.mark.parametrize("per_step", [False, True])
def test_blocks_of_memory_change_nothing(monkeypatch, per_step):
    X = series(30, 25)
    y = X if per_step else targets(X)
    model = StateSpaceRegressor(per_step=per_step, **SMALL)
    expected = model.fit(X, y).predict(X)
    monkeypatch.setattr(ridge, "_BLOCK_BYTES", 7 * 8 * 16)
    assert_allclose(clone(model).fit(X, y).predict(X), expected, rtol=1e-9, atol=1e-9)


def test_weight_is_repetition():
    X = series(40)
    y, w = targets(X), np.random.default_rng(0).integers(0, 4, 40)
    weighted = StateSpaceRegressor(**SMALL).fit(X, y, w)
    repeated = StateSpaceRegressor(**SMALL).fit(np.repeat(X, w, axis=0), np.repeat(y, w))
    assert_allclose(weighted.predict(X), repeated.predict(X), atol=1e-10 * np.abs(y).max())
    y = labels(X)
    weighted = StateSpaceClassifier(**SMALL).fit(X, y, w)
    repeated = StateSpaceClassifier(**SMALL).fit(np.repeat(X, w, axis=0), np.repeat(y, w))
    assert_allclose(weighted.decision_function(X), repeated.decision_function(X), atol=1e-10)


@pytest.mark.parametrize("unit", [1e-100, 1e16, 1e100])
def test_the_unit_of_weights_is_that_of_the_penalty(unit):
    X = series() + 1.0
    y, w = targets(X), np.random.default_rng(1).uniform(0.1, 2.0, len(X))
    expected = StateSpaceRegressor(alpha=1.0, **SMALL).fit(X, y, w)
    model = StateSpaceRegressor(alpha=unit, **SMALL).fit(X, y, unit * w)
    assert_allclose(model.coef_, expected.coef_, rtol=1e-8)


@pytest.mark.parametrize("cls", [StateSpaceRegressor, StateSpaceClassifier])
def test_sequences_beyond_the_range_of_squares(cls):
    X, y = series(6, 4), np.arange(6) % 2
    with pytest.raises(ValueError, match="X and y must be of squares that do not overflow"):
        cls(**SMALL).fit(1e200 * X, y)
    for scale in (1e-150, 1e-200):
        with pytest.raises(ValueError, match="X must be of squares that do not underflow"):
            cls(**SMALL).fit(scale * X, y)
    assert cls(**SMALL).fit(1e-140 * X, y).coef_.any()
    assert not cls(**SMALL).fit(0.0 * X, y).coef_.any()


def test_units_and_offsets():
    """Standardised: the units of X do not matter, those of y scale the answer."""
    X = series()
    y = targets(X)
    expected = StateSpaceRegressor(**SMALL).fit(X, y).predict(X)
    other = StateSpaceRegressor(**SMALL).fit(1e6 * X, 1e-3 * y + 5.0).predict(1e6 * X)
    assert_allclose(other, 1e-3 * expected + 5.0, rtol=1e-9, atol=1e-9)


# Least norm.


def test_without_penalty_it_is_least_squares():
    X = series(200)
    y = targets(X)
    model = StateSpaceRegressor(n_states=4, n_scales=2, dt_min=0.1, dt_max=0.5, alpha=0.0).fit(X, y)
    Z = StateSpaceFeatures(n_states=4, n_scales=2, dt_min=0.1, dt_max=0.5).fit_transform(X)
    expected = LinearRegression().fit(Z, y)
    assert_allclose(model.predict(X), expected.predict(Z), atol=1e-8 * np.abs(y).max())


def test_dependent_states_warn_and_get_the_least_norm():
    X = series(60, 5)
    y = X[:, -1] - X[:, 0] + 3.0
    model = StateSpaceRegressor(n_states=6, n_scales=2, dt_min=0.2, dt_max=0.8, alpha=0.0)
    with pytest.warns(UserWarning, match="7 of 12 combinations of states do not vary"):
        model.fit(X, y)
    assert_allclose(model.predict(X), y, atol=1e-6)
    Z = StateSpaceFeatures(n_states=6, n_scales=2, dt_min=0.2, dt_max=0.8).fit_transform(X)
    scale = Z.std(axis=0)
    least = np.linalg.lstsq((Z - Z.mean(axis=0)) / scale, y - y.mean(), rcond=1e-9)[0]
    assert_allclose(model.coef_ * scale, least, atol=1e-4 * np.abs(least).max())


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.filterwarnings("ignore:.*combinations of states:UserWarning")
def test_constant_sequences_predict_the_mean(alpha):
    X = np.full((20, 30), 7.3)
    y = np.arange(20.0)
    model = StateSpaceRegressor(alpha=alpha, **SMALL).fit(X, y)
    assert_allclose(model.predict(X), 9.5, rtol=1e-9)
    assert_allclose(model.coef_, 0.0, atol=1e-9)


def test_rounding_of_constant_sequences_is_no_signal():
    rng = np.random.default_rng(0)
    X, y = 7.3 + 2e-15 * rng.standard_normal((20, 30)), rng.standard_normal(20)
    assert np.ptp(X) > 0.0
    model = StateSpaceRegressor(n_states=1, n_scales=1, dt_min=0.1, dt_max=0.1).fit(X, y)
    assert_allclose(model.predict(X), y.mean(), rtol=1e-9)


# After each step.


@pytest.mark.parametrize("channels", [None, 1, 3])
@pytest.mark.parametrize("k", [None, 2])
def test_per_step_is_ridge_on_the_states_of_all_steps(channels, k):
    X = series(12, 30, channels)
    rng = np.random.default_rng(0)
    y = rng.standard_normal((12, 30) if k is None else (12, 30, k))
    model = StateSpaceRegressor(per_step=True, **SMALL).fit(X, y)
    prefixes = []
    for t in range(1, 31):
        padded = np.zeros_like(X)
        padded[:, 30 - t :] = X[:, :t]  # from rest, the states after step t
        prefixes.append(StateSpaceFeatures(**SMALL).fit_transform(padded))
    Z = np.stack(prefixes, axis=1).reshape(360, -1)
    expected = make_pipeline(StandardScaler(), Ridge()).fit(Z, y.reshape(360, *y.shape[2:]))
    assert model.predict(X).shape == y.shape
    assert_allclose(model.predict(X), expected.predict(Z).reshape(y.shape), atol=1e-7)


def test_per_step_forecast():
    """The next value of a damped wave with noise: close to the best that the noise allows."""
    rng = np.random.default_rng(0)
    X = np.zeros((40, 300))
    noise = rng.standard_normal(X.shape)
    for t in range(2, 300):
        X[:, t] = 1.8 * X[:, t - 1] - 0.9 * X[:, t - 2] + noise[:, t]
    model = StateSpaceRegressor(n_states=32, dt_min=0.1, dt_max=1.0, per_step=True)
    model.fit(X[:30, :-1], X[:30, 1:])
    best = r2_score(X[30:, 1:].ravel(), (X[30:, 1:] - noise[30:, 1:]).ravel())
    assert best > 0.9
    assert model.score(X[30:, :-1], X[30:, 1:]) > best - 0.01


def test_per_step_score_counts_steps():
    X = series(10, 20)
    y = np.sin(X)
    model = StateSpaceRegressor(per_step=True, **SMALL).fit(X, y)
    w = np.arange(1.0, 11.0)
    expected = r2_score(y.ravel(), model.predict(X).ravel(), sample_weight=np.repeat(w, 20))
    assert model.score(X, y, w) == pytest.approx(expected)
    assert model.score(X[:1], y[:1]) < 1.0
    with pytest.raises(ValueError, match="y must be of shape"):
        model.score(X, y[:, :5])


def test_per_step_partial_fit_and_weights():
    X = series(20, 15)
    y, w = np.sin(X), np.random.default_rng(0).integers(1, 4, 20)
    whole = StateSpaceRegressor(per_step=True, **SMALL).fit(X, y, w)
    parts = StateSpaceRegressor(per_step=True, **SMALL)
    for rows in np.split(np.arange(20), [3, 11]):
        parts.partial_fit(np.repeat(X[rows], w[rows], axis=0), np.repeat(y[rows], w[rows], axis=0))
    assert_allclose(parts.predict(X), whole.predict(X), atol=1e-8)


# Streams.


@pytest.mark.parametrize("channels", [None, 2])
@pytest.mark.parametrize("k", [None, 3])
def test_recurrence_ends_in_the_prediction(channels, k):
    X = series(channels=channels)
    y = targets(X, k)
    model = StateSpaceRegressor(**SMALL).fit(X, y)
    A_bar, B_bar, C = model.recurrence()
    assert A_bar.shape == B_bar.shape == C.shape[-1:]
    assert C.shape[:-1] == (() if k is None else (k,)) + (() if channels is None else (channels,))
    u = np.moveaxis(X, 1, -1)[:5]
    u = u if k is None else u[:, None]
    half, state = diagonal_scan(A_bar, B_bar, C, u[..., :17])
    out = diagonal_scan(A_bar, B_bar, C, u[..., 17:], x0=state).y[..., -1]
    out = out if channels is None else out.sum(axis=-1)
    assert half.shape[-1] == 17
    assert_allclose(out + model.intercept_, model.predict(X[:5]), atol=1e-8 * np.abs(y).max())


def test_recurrence_of_a_classifier():
    X = series()
    model = StateSpaceClassifier(**SMALL).fit(X, labels(X, 3))
    A_bar, B_bar, C = model.recurrence()
    out = diagonal_scan(A_bar, B_bar, C, X[:4, None]).y[..., -1] + model.intercept_
    assert_allclose(out, model.decision_function(X[:4]), atol=1e-8)


def test_default_system_streams_too():
    X = series(60, 300)
    model = StateSpaceRegressor(per_step=True).fit(X[:, :-1], X[:, 1:])
    found, states = model.predict(X[:2, :-1]), None
    for _, _, block in model._system.all_states(X[:2, :-1, None], 10**6):
        states = block
    assert_allclose(states @ model.coef_ + model.intercept_, found, atol=1e-6)


# Accuracy.


def test_digits():
    """Pixels as sequences of 64 steps, half to train on: what ridge on the pixels reaches, less 3 %."""
    X, y = load_digits(return_X_y=True)
    expected = RidgeClassifier().fit(X[:900], y[:900]).score(X[900:], y[900:])
    found = StateSpaceClassifier().fit(X[:900], y[:900]).score(X[900:], y[900:])
    assert found > expected - 0.03
    assert found > 0.87


# Checks.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_of_predictions(dtype):
    X = series(channels=2).astype(dtype)
    for per_step, y in ((False, targets(X)), (True, X[:, :, 0])):
        model = StateSpaceRegressor(per_step=per_step, **SMALL).fit(X, y)
        assert model.predict(X).dtype == dtype
        assert model.coef_.dtype == "float64"
        exact = StateSpaceRegressor(per_step=per_step, **SMALL).fit(X.astype(float), y)
        assert_allclose(model.predict(X), exact.predict(X.astype(float)), atol=1e-4)
    model = StateSpaceClassifier(**SMALL).fit(X, labels(X[:, :, 0]))
    assert model.decision_function(X).dtype == dtype


@pytest.mark.parametrize("cls", [StateSpaceRegressor, StateSpaceClassifier])
@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
def test_other_libraries_are_told_where_to_go(cls, library):
    xp = pytest.importorskip(library)
    X, y = series(6, 4), np.arange(6) % 2
    model = cls(**SMALL)
    for args in ((xp.asarray(X), y), (X, xp.asarray(y))):
        with pytest.raises(TypeError, match="on the host"):
            model.fit(*args)
    model.fit(X, y)
    with pytest.raises(TypeError, match="on the host"):
        model.predict(xp.asarray(X))


@pytest.mark.parametrize("cls", [StateSpaceRegressor, StateSpaceClassifier])
@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"alpha": -1.0}, ValueError, "alpha must be"),
        ({"alpha": "1"}, TypeError, "alpha must be"),
        ({"alpha": np.nan}, ValueError, "alpha must be"),
        ({"n_states": 0}, ValueError, "n_states must be"),
        ({"init": "x"}, ValueError, "init must be"),
        ({"dt_max": 1e-9}, ValueError, "dt_max must be"),
    ],
)
def test_bad_parameters(cls, options, error, match):
    with pytest.raises(error, match=match):
        cls(**options).fit(series(6, 4), np.arange(6) % 2)


def test_bad_targets_of_regression():
    X = series(6, 4)
    model = StateSpaceRegressor(per_step=True, **SMALL)
    for y in (np.zeros(6), np.zeros((6, 3)), np.zeros((5, 4)), np.zeros((6, 4, 1, 1))):
        with pytest.raises(ValueError, match=r"y must be of shape|inconsistent"):
            model.fit(X, y)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(X, np.full((6, 4), np.nan))
    with pytest.raises(TypeError, match="per_step must be"):
        StateSpaceRegressor(per_step=1).fit(X, X)
    with pytest.raises(ValueError, match="inconsistent"):
        StateSpaceRegressor().fit(X, np.zeros(5))
    with pytest.raises(ValueError, match=r"zero|must be positive"):
        StateSpaceRegressor().fit(X, np.zeros(6), np.zeros(6))
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        StateSpaceRegressor().fit(X, np.zeros(6), -np.ones(6))


def test_bad_targets_of_classification():
    X = series(6, 4)
    model = StateSpaceClassifier(**SMALL)
    with pytest.raises(ValueError, match="two classes at least; got one class, 1"):
        model.fit(X, np.ones(6, int))
    with pytest.raises(ValueError, match="two classes at least; got no class"):
        model.partial_fit(X, np.ones(6, int), classes=[])
    with pytest.raises(ValueError, match="classes must be given in the first call"):
        model.partial_fit(X, np.arange(6) % 2)
    model.partial_fit(X, np.zeros(6, int), classes=[0, 1])
    with pytest.raises(ValueError, match=r"classes must be .*as before"):
        model.partial_fit(X, np.zeros(6, int), classes=[0, 1, 2])
    with pytest.raises(ValueError, match="y must be of the classes"):
        model.partial_fit(X, np.full(6, 2))
    with pytest.raises(ValueError, match=r"regression target|Unknown label"):
        model.fit(X, np.linspace(0.0, 1.3, 6))
    with pytest.warns(DataConversionWarning):
        model.fit(X, (np.arange(6) % 2)[:, None])


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_failed_calls_leave_no_trace(method):
    X = series(20)
    y = targets(X)
    model = StateSpaceRegressor(**SMALL).fit(X, y)
    before = pickle.dumps(model)
    with pytest.raises(ValueError, match="inconsistent"):
        getattr(model, method)(X[:, :9] if method == "fit" else X, y[:3])
    with pytest.raises(ValueError, match="outputs, as before" if method == "partial_fit" else "NaN"):
        getattr(model, method)(X, np.stack([y, y if method == "partial_fit" else np.nan * y], axis=1))
    assert pickle.dumps(model) == before
    with pytest.raises(ValueError, match="expecting 40 features"):
        model.partial_fit(X[:, :9], y)
    with pytest.raises(ValueError, match="two axes, as in fit"):
        model.partial_fit(X[:, :, None], y)
    assert pickle.dumps(model) == before


def test_the_fitted_model_does_not_change_with_parameters():
    X = series()
    y, model = targets(X), StateSpaceRegressor(**SMALL)
    expected, score = model.fit(X, y).predict(X), model.score(X, y)
    model.set_params(per_step=True, n_states=4, dt_max=9.0)
    assert_array_equal(model.predict(X), expected)
    assert model.score(X, y) == score
    with pytest.raises(ValueError, match="as in the first call"):
        model.partial_fit(X, X)
    model.set_params(**SMALL, per_step=False, alpha=2.0).partial_fit(X, y)
    classifier = StateSpaceClassifier(**SMALL).fit(X, labels(X))
    with pytest.raises(ValueError, match="n_states must be 8, as in the first call; got 4"):
        classifier.set_params(n_states=4).partial_fit(X, labels(X))


@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.parametrize("single", [False, True])
def test_the_layout_of_targets_is_that_of_the_first_call(per_step, single):
    X = series()
    y = X if per_step else X[:, 0]
    first, second = (y, y[..., None]) if single else (y[..., None], y)
    model = StateSpaceRegressor(**SMALL, per_step=per_step).fit(X, first)
    with pytest.raises(ValueError, match=f"y must be of {first.ndim} axes, as in the first call"):
        model.partial_fit(X, second)
    assert model.partial_fit(X, first).predict(X).shape == first.shape


def test_the_recurrence_is_a_copy():
    X = series()
    model = StateSpaceRegressor(**SMALL).fit(X, targets(X))
    expected = model.predict(X)
    for part in model.recurrence():
        part[...] = 0.0
    assert_array_equal(model.predict(X), expected)


@pytest.mark.parametrize("per_step", [False, True])
def test_predictions_from_halves_are_of_single_precision(per_step):
    X = series().astype(np.float16)
    y = 1e6 * np.float64(X if per_step else X[:, 0])
    model = StateSpaceRegressor(**SMALL, per_step=per_step).fit(X, y)
    assert model.predict(X).dtype == np.float32
    assert np.isfinite(model.predict(X)).all()
