"""The entropic map between two clouds, and the picture of its plan."""

import pickle
import tracemalloc

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from spectralkit.testing import check_ratio
from spectralkit.transport import EntropicTransport, TransportPlanDisplay, sinkhorn, sinkhorn_divergence

FIGURES = ("cost_", "value_", "cost_scale_", "marginal_error_", "n_iter_")


def clouds(n=60, m=80, d=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal((m, d)) @ rng.standard_normal((d, d)) + 2.0


def squared_distances(X, Y):
    return ((X[:, None, :] - Y[None, :, :]) ** 2).sum(axis=-1)


def weights(n, seed=1):
    return np.random.default_rng(seed).uniform(0.2, 1.0, n)


def assert_close(found, expected, *, amplification=1.0):
    """Compare up to rounding; exponents of size c lose c times as much."""
    residual = np.abs(found - expected).max() / amplification
    check_ratio(residual, np.abs(expected).max(), expected.shape[0], np.float64)


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "cityblock", squared_distances])
def test_points_of_fit_go_to_the_means_of_the_plan(metric):
    X, Y = clouds()
    transport = EntropicTransport(reg=0.1, metric=metric).fit(X, Y, weights(60), weights(80, 2))
    plan = transport.plan_
    forward = plan @ Y / plan.sum(axis=1, keepdims=True)
    backward = plan.T @ X / plan.sum(axis=0)[:, None]
    assert_close(transport.transform(X), forward, amplification=100)
    assert_close(transport.inverse_transform(Y), backward, amplification=100)
    assert_close(transport.fit_transform(X, Y, weights(60), weights(80, 2)), forward, amplification=100)


def test_attributes_are_those_of_the_function():
    X, Y = clouds()
    a, b = weights(60), weights(80, 2)
    transport = EntropicTransport(reg=0.1).fit(X, Y, a, b)
    result = sinkhorn(a / a.sum(), b / b.sum(), None, 0.1, X=X, Y=Y)
    for name in ("f", "g", "cost", "value", "marginal_error", "n_iter", "converged"):
        np.testing.assert_array_equal(getattr(transport, f"{name}_"), getattr(result, name))
    np.testing.assert_allclose(transport.plan_, result.plan, rtol=1e-11, atol=1e-300)
    assert transport.n_features_in_ == 3


def test_weights_are_relative():
    X, Y = clouds()
    a, b = weights(60), weights(80, 2)
    expected = EntropicTransport().fit(X, Y, a, b).transform(X)
    np.testing.assert_allclose(EntropicTransport().fit(X, Y, 7 * a, b / 3).transform(X), expected, rtol=1e-9)


def test_a_weight_is_a_repetition():
    X, Y = clouds(30, 20)
    counts = np.random.default_rng(3).integers(1, 4, 30)
    new = clouds(10, 10, seed=5)[0]
    for statistic in (None, "max", "mean"):
        weighted = EntropicTransport(normalize_cost=statistic).fit(X, Y, sample_weight=counts)
        repeated = EntropicTransport(normalize_cost=statistic).fit(np.repeat(X, counts, axis=0), Y)
        np.testing.assert_allclose(weighted.transform(new), repeated.transform(new), atol=1e-6)


def test_translation():
    X = np.random.default_rng(0).uniform(size=(300, 2))
    shift = np.array([5.0, -2.0])
    transport = EntropicTransport(reg=1e-4).fit(X, X + shift)
    np.testing.assert_allclose(transport.transform(X), X + shift, atol=0.02)
    np.testing.assert_allclose(transport.inverse_transform(X + shift), X, atol=0.02)


def test_gaussians_have_a_closed_form():
    """Between N(0, 1) and N(mean, s^2) the entropic map is affine."""
    n, reg, s, mean = 2000, 0.5, 0.7, 3.0
    from scipy.stats import norm

    x = norm.ppf((np.arange(n) + 0.5) / n)[:, None]
    transport = EntropicTransport(reg=reg).fit(x, s * x + mean)
    # The covariance c of the plan solves c^2 + reg c / 2 = s^2: the limit of Sinkhorn's iterations.
    slope = np.sqrt(s**2 + (reg / 4) ** 2) - reg / 4
    points = np.linspace(-1.5, 1.5, 7)[:, None]
    np.testing.assert_allclose(transport.transform(points), slope * points + mean, atol=2e-3)


def test_new_points_follow_continuously():
    X, Y = clouds()
    transport = EntropicTransport(reg=0.5).fit(X, Y)
    rng = np.random.default_rng(4)
    direction = rng.standard_normal(X.shape)
    at = transport.transform(X)
    moves = [np.abs(transport.transform(X + step * direction) - at).max() for step in (1e-2, 1e-4, 1e-6)]
    assert moves[0] > 50 * moves[1] > 2500 * moves[2] > 0
    # Between the clouds' points too the map is a mean of targets.
    far = transport.transform(1e3 * direction)
    assert np.all((far >= Y.min(axis=0) - 1e-9) & (far <= Y.max(axis=0) + 1e-9))


def test_order_and_blocks_do_not_matter(monkeypatch):
    X, Y = clouds()
    transport = EntropicTransport().fit(X, Y)
    new = clouds(500, 10, seed=7)[0]
    expected, back = transport.transform(new), transport.inverse_transform(new)
    order = np.random.default_rng(0).permutation(500)
    np.testing.assert_allclose(transport.transform(new[order]), expected[order], rtol=1e-10)
    monkeypatch.setattr("spectralkit.transport._entropic._BLOCK", 1)
    np.testing.assert_allclose(transport.transform(new), expected, rtol=1e-10)
    np.testing.assert_allclose(transport.inverse_transform(new), back, rtol=1e-10)


def test_mapping_takes_memory_for_a_block_only():
    X, Y = clouds(400, 500)
    transport = EntropicTransport(reg=1.0).fit(X, Y)
    many = np.random.default_rng(0).standard_normal((20_000, 3))
    for mapping in (transport.transform, transport.inverse_transform):
        tracemalloc.start()
        mapping(many)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 20e6  # all costs together are 80 MB


@pytest.mark.parametrize("statistic", ["max", "mean", "median"])
@pytest.mark.parametrize("sizes", [(60, 80), (7, 9)])
def test_normalised_cost(statistic, sizes):
    X, Y = clouds(*sizes)
    C = squared_distances(X, Y)
    scale = getattr(np, statistic)(C)
    transport = EntropicTransport(reg=0.02, normalize_cost=statistic).fit(X, Y)
    assert transport.cost_scale_ == pytest.approx(scale, rel=1e-12)
    plain = EntropicTransport(reg=0.02 * scale).fit(X, Y)
    relative = sinkhorn(None, None, C / scale, 0.02)
    for name in ("f", "g", "cost", "value"):
        found = getattr(transport, f"{name}_")
        np.testing.assert_allclose(found, getattr(plain, f"{name}_"), rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(found, scale * np.asarray(getattr(relative, name)), rtol=1e-8, atol=1e-8)
    potentials = transport.f_[:, None] + transport.g_[None, :]
    np.testing.assert_allclose(transport.plan_, np.exp((potentials - C) / (0.02 * scale)), rtol=1e-9)
    np.testing.assert_allclose(transport.transform(3 * X), plain.transform(3 * X), rtol=1e-6, atol=1e-8)


def test_scale_of_the_cloud_does_not_matter_to_a_normalised_cost():
    X, Y = clouds()
    expected = EntropicTransport(normalize_cost="mean").fit(X, Y)
    for factor in (1e-6, 1e6):
        found = EntropicTransport(normalize_cost="mean").fit(factor * X, factor * Y)
        np.testing.assert_allclose(found.transform(factor * X) / factor, expected.transform(X), atol=1e-6)


def test_points_of_weight_zero_do_not_exist():
    X, Y = clouds()
    a, b = weights(60), weights(80, 2)
    a[::5] = b[::4] = 0.0
    X[0], Y[0] = 1e3, -1e3
    for statistic in (None, "max", "mean", "median"):
        options = {"reg": 0.1, "normalize_cost": statistic}
        transport = EntropicTransport(**options).fit(X, Y, a, b)
        without = EntropicTransport(**options).fit(X[a > 0], Y[b > 0], a[a > 0], b[b > 0])
        assert np.array_equal(np.isneginf(transport.f_), a == 0)
        assert np.array_equal(np.isneginf(transport.g_), b == 0)
        assert not transport.plan_[a == 0].any()
        assert transport.cost_scale_ == pytest.approx(without.cost_scale_, rel=1e-12)
        np.testing.assert_allclose(transport.transform(X), without.transform(X), atol=1e-6)
        np.testing.assert_allclose(transport.inverse_transform(Y), without.inverse_transform(Y), atol=1e-6)
        assert transport.score(X[1:]) == pytest.approx(without.score(X[1:]), rel=1e-6)


def test_equal_points():
    X, Y = np.ones((4, 2)), np.ones((5, 2))
    for statistic in (None, "max", "mean", "median"):
        transport = EntropicTransport(normalize_cost=statistic).fit(X, Y)
        np.testing.assert_allclose(transport.transform(X), 1.0)
        assert transport.cost_ == 0.0
        assert transport.cost_scale_ == 1.0
    X[0] = 2.0
    with pytest.raises(ValueError, match="use 'mean' or 'max'"):
        EntropicTransport(normalize_cost="median").fit(X, Y)


def test_one_point_each():
    transport = EntropicTransport().fit([[0.0, 1.0]], [[2.0, 3.0]])
    np.testing.assert_array_equal(transport.transform([[5.0, 5.0]]), [[2.0, 3.0]])
    np.testing.assert_array_equal(transport.plan_, [[1.0]])


def test_preprocessing_changes_the_cost_and_not_the_points():
    X, Y = clouds()
    units = np.array([1e3, 1.0, 1e-3])
    X, Y = X * units, Y * units
    scaler = StandardScaler()
    transport = EntropicTransport(preprocessing=scaler).fit(X, Y)
    assert not hasattr(scaler, "mean_")
    fitted = StandardScaler().fit(X)
    plain = EntropicTransport().fit(fitted.transform(X), fitted.transform(Y))
    np.testing.assert_allclose(transport.plan_, plain.plan_, rtol=1e-9)
    np.testing.assert_allclose(transport.transform(X), plain.plan_ @ Y * 60, rtol=1e-6)
    np.testing.assert_allclose(transport.inverse_transform(Y), plain.plan_.T @ X * 80, rtol=1e-6)
    assert transport.score(X) == pytest.approx(plain.score(fitted.transform(X)), rel=1e-9)


def test_pipeline_transforms_the_first_cloud_only():
    X, Y = clouds()
    pipeline = make_pipeline(StandardScaler(), EntropicTransport()).fit(X, Y)
    expected = EntropicTransport().fit(StandardScaler().fit_transform(X), Y)
    Z = StandardScaler().fit_transform(X)
    np.testing.assert_array_equal(pipeline.transform(X), expected.transform(Z))
    np.testing.assert_array_equal(pipeline.fit_transform(X, Y), expected.transform(Z))
    assert pipeline.score(X, Y) == expected.score(Z, Y)
    assert list(pipeline.get_feature_names_out()) == ["x0", "x1", "x2"]
    back = pipeline.inverse_transform(Y)
    np.testing.assert_allclose(back, StandardScaler().fit(X).inverse_transform(expected.inverse_transform(Y)))


def test_score():
    X, Y = clouds()
    b = weights(80)
    transport = EntropicTransport(reg=0.3).fit(X, Y, target_weight=b)
    divergence = sinkhorn_divergence(transport.transform(X), Y, None, b / b.sum(), reg=0.3)
    assert transport.score(X) == pytest.approx(-divergence, rel=1e-12)
    assert transport.score(X) < 0
    mapped = transport.transform(X)
    assert transport.score(X, mapped) == pytest.approx(0.0, abs=1e-9)
    assert transport.score(X) > transport.score(X, Y + 10.0)
    # A sharper plan spreads over the target; a blunt one shrinks to its mean.
    scores = [
        -sinkhorn_divergence(EntropicTransport(reg).fit_transform(X, Y), Y, reg=0.1) for reg in (0.1, 10)
    ]
    assert scores[0] > scores[1]
    a = np.zeros(60)
    a[:10] = 2.0
    assert transport.score(X, sample_weight=a) == pytest.approx(transport.score(X[:10]), rel=1e-6)


def test_spaces_of_different_dimension():
    X, Y = clouds()[0], clouds(d=2)[1]

    def metric(X, Y):
        return (X[:, :1] - Y[:, 1][None, :]) ** 2

    transport = EntropicTransport(reg=0.1, metric=metric).fit(X, Y)
    assert transport.transform(X).shape == (60, 2)
    assert transport.inverse_transform(Y).shape == (80, 3)
    np.testing.assert_allclose(transport.transform(X), 60 * transport.plan_ @ Y, atol=1e-7)
    with pytest.raises(ValueError, match=r"Y must be of shape \(k, 2\)"):
        transport.inverse_transform(X)


@pytest.mark.parametrize("method", ["newton", "sinkhorn"])
def test_methods_agree(method):
    X, Y = clouds()
    found = EntropicTransport(reg=0.5, method=method, tol=1e-12).fit(X, Y)
    expected = EntropicTransport(reg=0.5, tol=1e-12).fit(X, Y)
    np.testing.assert_allclose(found.transform(X), expected.transform(X), atol=1e-9)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtype(dtype):
    X, Y = (cloud.astype(dtype) for cloud in clouds())
    transport = EntropicTransport(normalize_cost="max").fit(X, Y)
    for array in (transport.f_, transport.g_, transport.plan_, transport.transform(X)):
        assert array.dtype == dtype
    assert transport.inverse_transform(Y).dtype == dtype
    wide = EntropicTransport(normalize_cost="max").fit(X.astype("float64"), Y.astype("float64"))
    np.testing.assert_allclose(transport.transform(X), wide.transform(X.astype("float64")), rtol=2e-3)
    assert EntropicTransport().fit(X > 0, Y.astype(int)).transform(X > 0).dtype == "float64"


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean"])
def test_other_libraries(library, metric):
    xp = pytest.importorskip(library)
    X, Y = clouds()
    a, b = weights(60), weights(80, 2)
    b[3] = 0.0
    arrays = [xp.asarray(array) for array in (X, Y, a, b)]
    for statistic in (None, "max", "mean", "median"):
        options = {"reg": 0.1, "metric": metric, "normalize_cost": statistic}
        expected = EntropicTransport(**options).fit(X, Y, a, b)
        found = EntropicTransport(**options).fit(*arrays)
        for array in (found.f_, found.g_, found.plan_):
            assert isinstance(array, type(arrays[0]))
        for method, given in (("transform", 0), ("inverse_transform", 1)):
            answer = getattr(found, method)(arrays[given])
            assert isinstance(answer, type(arrays[0]))
            reference = getattr(expected, method)((X, Y)[given])
            np.testing.assert_allclose(np.asarray(answer), reference, atol=1e-7)
        assert found.score(arrays[0]) == pytest.approx(expected.score(X), rel=1e-6)
    assert pickle.loads(pickle.dumps(found)).cost_ == found.cost_
    half = EntropicTransport().fit(*(xp.asarray(array, dtype=xp.float32) for array in arrays[:2]))
    assert half.transform(xp.asarray(arrays[0], dtype=xp.float32)).dtype == xp.float32


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
def test_libraries_do_not_mix(library):
    xp = pytest.importorskip(library)
    X, Y = clouds()
    ours, theirs = EntropicTransport().fit(X, Y), EntropicTransport().fit(xp.asarray(X), xp.asarray(Y))
    for call in (
        lambda: EntropicTransport().fit(X, xp.asarray(Y)),
        lambda: EntropicTransport().fit(xp.asarray(X), Y),
        lambda: EntropicTransport().fit(xp.asarray(X), xp.asarray(Y), weights(60)),
        lambda: ours.transform(xp.asarray(X)),
        lambda: ours.inverse_transform(xp.asarray(Y)),
        lambda: ours.score(X, xp.asarray(Y)),
        lambda: theirs.transform(X),
        lambda: theirs.inverse_transform(Y),
        lambda: EntropicTransport(preprocessing=FunctionTransformer(lambda points: xp.asarray(points))).fit(
            X, Y
        ),
    ):
        with pytest.raises(TypeError, match=r"librar|array"):
            call()


def test_data_frames_and_names():
    pandas = pytest.importorskip("pandas")
    X, Y = clouds()
    source = pandas.DataFrame(X, columns=["a", "b", "c"], index=range(100, 160))
    target = pandas.DataFrame(Y, columns=["p", "q", "r"])
    transport = EntropicTransport().fit(source, target)
    assert list(transport.feature_names_in_) == ["a", "b", "c"]
    assert list(transport.get_feature_names_out()) == ["p", "q", "r"]
    plain = EntropicTransport().fit(X, Y)
    np.testing.assert_allclose(transport.transform(source), plain.transform(X), rtol=1e-9)
    framed = transport.set_output(transform="pandas").transform(source)
    assert list(framed.columns) == ["p", "q", "r"]
    assert list(framed.index) == list(source.index)
    assert list(transport.fit_transform(source, target).columns) == ["p", "q", "r"]
    assert transport.score(source) <= 0.0
    assert list(EntropicTransport().fit(X, Y).get_feature_names_out()) == ["x0", "x1", "x2"]
    with pytest.raises(ValueError, match=r"Reorder its columns by Y\[X.columns\]"):
        EntropicTransport().fit(source, pandas.DataFrame(Y, columns=["b", "a", "c"]))


def test_clone_and_pickle():
    X, Y = clouds()
    transport = EntropicTransport(preprocessing=StandardScaler(), normalize_cost="mean").fit(X, Y)
    assert not hasattr(clone(transport), "f_")
    again = pickle.loads(pickle.dumps(transport))
    np.testing.assert_array_equal(again.transform(X), transport.transform(X))
    np.testing.assert_array_equal(again.plan_, transport.plan_)
    # The plan is not kept: what is pickled grows with the points.
    big = EntropicTransport(reg=1.0).fit(*clouds(400, 500))
    assert len(pickle.dumps(big)) < 100_000


def test_input_is_not_modified():
    X, Y = clouds()
    a, b = weights(60), weights(80)
    arrays = (X, Y, a, b)
    before = [array.copy() for array in arrays]
    for array in arrays:
        array.flags.writeable = False
    transport = EntropicTransport(normalize_cost="median").fit(*arrays)
    transport.score(X, Y)
    transport.inverse_transform(Y[::-1, ::-1])
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_not_fitted():
    X, Y = clouds()
    transport = EntropicTransport()
    for call in (
        lambda: transport.transform(X),
        lambda: transport.inverse_transform(Y),
        lambda: transport.score(X),
        lambda: transport.get_feature_names_out(),
        lambda: transport.plan_,
    ):
        with pytest.raises(NotFittedError):
            call()


X, Y = clouds()
COMPLEX = X + 1j
BAD = {
    "NaN in X": ({}, (np.where(X > 1, np.nan, X), Y), ValueError, "X contains NaN"),
    "NaN in Y": ({}, (X, np.where(Y > 1, np.nan, Y)), ValueError, "Y contains NaN"),
    "complex X": ({}, (COMPLEX, Y), ValueError, "Complex data not supported"),
    "complex Y": ({}, (X, COMPLEX), ValueError, "Complex data not supported"),
    "vector": ({}, (X, Y[:, 0]), ValueError, "Expected 2D array"),
    "no points": ({}, (X, Y[:0]), ValueError, "0 sample"),
    "features": ({}, (X, Y[:, :2]), ValueError, r"Y must be of shape \(m, 3\).*callable metric"),
    "text": ({}, (X, [["a", "b", "c"]]), ValueError, "numeric"),
    "longdouble": ({}, (X, Y.astype(np.longdouble)), TypeError, "Y must be"),
    "weight shape": ({}, (X, Y, np.ones(5)), ValueError, r"sample_weight must be of shape \(60,\)"),
    "negative weight": ({}, (X, Y, None, -np.ones(80)), ValueError, "target_weight must be non-negative"),
    "no mass": ({}, (X, Y, np.zeros(60)), ValueError, "sample_weight must be of positive total mass"),
    "infinite weight": ({}, (X, Y, np.full(60, np.inf)), ValueError, "sample_weight must be finite"),
    "reg": ({"reg": 0.0}, (X, Y), ValueError, "reg must be"),
    "reg type": ({"reg": "small"}, (X, Y), TypeError, "reg must be"),
    "metric": ({"metric": "manhattan"}, (X, Y), ValueError, "metric must be one of"),
    "method": ({"method": "lbfgs"}, (X, Y), ValueError, "method must be one of"),
    "tol": ({"tol": 0.0}, (X, Y), ValueError, "tol must be"),
    "max_iter": ({"max_iter": 0}, (X, Y), ValueError, "max_iter must be"),
    "statistic": ({"normalize_cost": "sum"}, (X, Y), ValueError, "normalize_cost must be one of"),
    "callable": ({"metric": lambda X, Y: np.ones(3)}, (X, Y), ValueError, "metric must be a cost of shape"),
    "negative": ({"metric": lambda X, Y: -((X @ Y.T) ** 2)}, (X, Y), ValueError, "C must be non-negative"),
    "inf": (
        {"metric": lambda X, Y: X @ Y.T * np.inf, "normalize_cost": "max"},
        (X, Y),
        ValueError,
        "C must be finite",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_leaves_no_trace(case):
    parameters, arguments, error, message = BAD[case]
    transport = EntropicTransport().fit(X, Y)
    before = dict(vars(transport))
    transport.set_params(**parameters)
    with pytest.raises(error, match=message):
        transport.fit(*arguments)
    after = {**vars(transport), **{name: before[name] for name in parameters}}
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)


def test_bad_input_after_fit():
    transport = EntropicTransport().fit(X, Y)
    with pytest.raises(ValueError, match="2 features"):
        transport.transform(X[:, :2])
    with pytest.raises(ValueError, match="Y must be of shape"):
        transport.inverse_transform(Y[:, :2])
    with pytest.raises(ValueError, match="NaN"):
        transport.transform(X * np.nan)


@pytest.mark.parametrize("name", ["X", "Y"])
def test_sparse_clouds_raise(name):
    sparse = pytest.importorskip("scipy.sparse")
    arguments = {"X": X, "Y": Y, name: sparse.csr_array({"X": X, "Y": Y}[name])}
    with pytest.raises(TypeError, match=f"{name} must be dense"):
        EntropicTransport().fit(**arguments)


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
def test_bad_input_of_other_libraries(library):
    xp = pytest.importorskip(library)
    good, bad = xp.asarray(X), xp.asarray(np.where(Y > 1, np.nan, Y))
    for second, message in (
        (bad, "Y must be finite"),
        (xp.asarray(COMPLEX), "Complex data not supported"),
        (xp.asarray(Y[:, 0]), "Y must be 2-dimensional"),
        (xp.asarray(Y[:, :2]), r"Y must be of shape \(m, 3\)"),
    ):
        with pytest.raises(ValueError, match=message):
            EntropicTransport().fit(good, second)


def test_no_convergence_is_said():
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        transport = EntropicTransport(reg=1e-3, method="sinkhorn", max_iter=3).fit(X, Y)
    assert not transport.converged_
    assert transport.n_iter_ == 3


@pytest.fixture
def pyplot():
    plt = pytest.importorskip("matplotlib.pyplot")
    yield plt
    plt.close("all")


@pytest.mark.parametrize("d", [1, 2, 5])
@pytest.mark.parametrize("sizes", [(30, 20), (150, 400)])
def test_display(pyplot, d, sizes):
    X, Y = clouds(*sizes, d=d)
    a = weights(sizes[0])
    a[0] = 0.0
    transport = EntropicTransport(reg=0.1, normalize_cost="max").fit(X, Y, a)
    display = TransportPlanDisplay.from_estimator(transport, X, Y)
    assert display.plot(n_lines=40) is display
    assert display.ax_.shape == (2,)
    assert display.figure_ is display.ax_[0].figure
    lines = display.ax_[0].collections[0]
    assert len(lines.get_segments()) == 40
    alpha = lines.get_alpha()
    assert np.all(np.diff(alpha) >= 0)
    image = display.ax_[1].images[0].get_array()
    assert image.sum() == pytest.approx(1.0)
    assert max(image.shape) <= 120
    label = display.ax_[0].get_xlabel()
    assert ("first principal component" in label) == (d > 2)
    display.figure_.canvas.draw()


def test_display_lines_join_what_exchanges_mass(pyplot):
    X = np.random.default_rng(0).uniform(size=(12, 2))
    order = np.random.default_rng(1).permutation(12)
    plan = np.eye(12)[order] / 12
    display = TransportPlanDisplay.from_plan(plan, X, X).plot()
    segments = np.asarray(display.ax_[0].collections[0].get_segments())
    assert len(segments) == 12  # no line where there is no mass
    expected = {(*X[i], *X[order[i]]) for i in range(12)}
    assert {tuple(segment.ravel()) for segment in segments} == expected
    unsorted = TransportPlanDisplay.from_plan(plan, X, X).plot(sort=False)
    np.testing.assert_array_equal(unsorted.ax_[1].images[0].get_array(), plan)


def test_display_sorts_along_the_principal_axis(pyplot):
    x = np.random.default_rng(0).permutation(20.0 * np.arange(20))[:, None]
    transport = EntropicTransport(reg=1.0).fit(x, x + 3.0)
    image = TransportPlanDisplay.from_estimator(transport, x, x + 3.0).plot().ax_[1].images[0].get_array()
    np.testing.assert_allclose(image, np.eye(20) / 20, atol=1e-9)


def test_display_draws_where_it_is_told(pyplot):
    figure, axes = pyplot.subplots(1, 2)
    display = TransportPlanDisplay.from_plan(np.full((2, 3), 1 / 6), np.zeros((2, 2)), np.ones((3, 2)))
    display.plot(ax=list(axes), n_lines=0)
    assert display.figure_ is figure
    with pytest.raises(ValueError, match="two Axes"):
        display.plot(ax=axes[0])


def test_display_takes_other_libraries_and_names(pyplot):
    torch, pandas = pytest.importorskip("torch"), pytest.importorskip("pandas")
    X, Y = clouds(d=2)
    tensors = torch.asarray(X), torch.asarray(Y)
    transport = EntropicTransport().fit(*tensors)
    TransportPlanDisplay.from_estimator(transport, *tensors).plot()
    frames = pandas.DataFrame(X, columns=["length", "width"]), pandas.DataFrame(Y)
    display = TransportPlanDisplay.from_estimator(transport, *frames).plot()
    assert display.ax_[0].get_ylabel() == "width"


def test_display_checks_shapes():
    for plan, first, second in (
        (np.ones((2, 2)), X[:2], Y[:3]),
        (np.ones((2, 3)), X[:2], Y[:3, :2]),
        (np.ones((2, 3)), X[0], Y[:3]),
    ):
        with pytest.raises(ValueError, match="must be"):
            TransportPlanDisplay.from_plan(plan, first, second)


def test_points_too_far_away():
    rng = np.random.default_rng(0)
    transport = EntropicTransport(reg=0.1).fit(rng.random((20, 2)), rng.random((30, 2)))
    with pytest.raises(ValueError, match="must be of finite cost"):
        transport.transform(np.full((3, 2), 1e200))


def test_reordered_columns_of_the_way_back():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    X, Y = (pandas.DataFrame(rng.random((n, 2)), columns=["a", "b"]) for n in (20, 30))
    transport = EntropicTransport(reg=0.1).fit(X, Y)
    transport.inverse_transform(Y)
    with pytest.raises(ValueError, match="in the order of the features of fit"):
        transport.inverse_transform(Y[["b", "a"]])


@pytest.mark.parametrize("value", [np.nan, -1.0])
def test_display_of_what_is_no_plan(value):
    X = np.random.default_rng(0).random((3, 2))
    plan = np.full((3, 3), 1 / 9)
    plan[0, 1] = value
    with pytest.raises(ValueError, match="plan must be"):
        TransportPlanDisplay.from_plan(plan, X, X)
