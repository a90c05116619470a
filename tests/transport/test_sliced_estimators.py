"""Distances of many clouds as an estimator, and the flow of a cloud onto another."""

import pickle

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import clone
from sklearn.datasets import make_circles, make_moons
from sklearn.exceptions import NotFittedError
from sklearn.manifold import MDS
from sklearn.neighbors import KNeighborsClassifier

from spectralkit.transport import (
    SlicedWasserstein,
    SlicedWassersteinFlow,
    _sliced_estimators,
    random_directions,
    sliced_wasserstein,
    sliced_wasserstein_distance,
    sliced_wasserstein_gradient,
)

ESTIMATORS = ["monte_carlo", "lcv", "ucv", "gaussian", "auto"]


def reference(d=3):
    return np.random.default_rng(d).standard_normal((14, d)) * 0.7


def many(d=3, count=7, seed=0):
    """Clouds of different sizes, half of them normal and half exponential."""
    rng = np.random.default_rng([seed, d])
    found = []
    for index in range(count):
        shape = (8 + int(rng.integers(8)), d)
        found.append(rng.exponential(size=shape) if index % 2 else rng.standard_normal(shape) * 0.5)
    return found


# Distances.


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
@pytest.mark.parametrize("d", [1, 2, 5])
def test_transform_is_the_function(d, p, estimator):
    theta = random_directions(40, d, rng=0)
    model = SlicedWasserstein(p=p, estimator=estimator, directions=theta, random_state=0).fit(reference(d))
    found = model.transform(many(d))
    assert found.shape == (7, 1)
    for index, cloud in enumerate(many(d)):
        result = sliced_wasserstein(cloud, reference(d), p=p, estimator=estimator, directions=theta, rng=0)
        if estimator in ("monte_carlo", "lcv", "ucv") or d == 1:
            assert found[index, 0] == pytest.approx(result.distance, rel=1e-12)
        else:  # the directions of the control variate are drawn anew
            assert found[index, 0] ** p == pytest.approx(result.power, abs=4 * result.standard_error)


def test_same_seed_same_distances():
    for d in (2, 3, 6):
        model = SlicedWasserstein(random_state=4).fit(reference(d))
        for cloud, found in zip(many(d), model.transform(many(d)), strict=True):
            assert found[0] == pytest.approx(
                sliced_wasserstein_distance(cloud, reference(d), rng=4), rel=1e-12
            )
        again = SlicedWasserstein(random_state=4).fit(reference(d)).transform(many(d))
        np.testing.assert_array_equal(again, model.transform(many(d)))


def test_weights_of_the_reference():
    a = np.random.default_rng(0).random(14)
    theta = random_directions(40, 3, rng=0)
    for estimator in ("monte_carlo", "ucv"):
        model = SlicedWasserstein(estimator=estimator, directions=theta).fit(reference(), sample_weight=a)
        for cloud, found in zip(many(), model.transform(many()), strict=True):
            options = {"estimator": estimator, "directions": theta}
            exact = sliced_wasserstein_distance(cloud, reference(), None, a / a.sum(), **options)
            assert found[0] == pytest.approx(exact, rel=1e-12)
    model = SlicedWasserstein(directions=theta, random_state=0)
    twice = np.concatenate((reference(), reference()[:3]))
    doubled = model.fit(reference(), sample_weight=[2] * 3 + [1] * 11).transform(many())
    np.testing.assert_allclose(doubled, model.fit(twice).transform(many()), rtol=1e-10)
    plain = model.fit(reference()).transform(many())
    assert np.abs(plain - doubled).max() > 1e-3
    np.testing.assert_allclose(model.fit(reference(), sample_weight=[3] * 14).transform(many()), plain)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("d", [1, 2, 5])
def test_pairwise(d, p, estimator, monkeypatch):
    model = SlicedWasserstein(50, p=p, estimator=estimator, random_state=0).fit(reference(d))
    found = model.pairwise(many(d))
    assert found.shape == (7, 7)
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(np.diag(found), 0.0)
    assert (found[~np.eye(7, dtype=bool)] > 0).all()
    # Each row is what the estimator gives with that cloud as the reference: the directions are the same.
    for index in (0, 3):
        row = SlicedWasserstein(50, p=p, estimator=estimator, random_state=0).fit(many(d)[index])
        np.testing.assert_allclose(row.transform(many(d))[:, 0], found[index], rtol=1e-10, atol=1e-7)
    for block_bytes in (1, 30_000, 50_000):
        monkeypatch.setattr(_sliced_estimators, "_BLOCK_BYTES", block_bytes)
        np.testing.assert_array_equal(model.pairwise(many(d)), found)


def test_pairwise_reports_blocks(monkeypatch):
    model = SlicedWasserstein(50, random_state=0).fit(reference())
    seen = []
    model.pairwise(many(), callback=seen.append)
    assert [info.iteration for info in seen] == [1]
    monkeypatch.setattr(_sliced_estimators, "_BLOCK_BYTES", 1)
    seen.clear()
    found = model.pairwise(many(), callback=seen.append)
    assert [info.iteration for info in seen] == list(range(1, 29))
    np.testing.assert_allclose([info.figure for info in seen], np.arange(1, 29) / 28)
    assert np.isfinite(found).all()
    assert (found[0, 1:] > 0).all()


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_pairwise_stops(n_jobs, monkeypatch):
    monkeypatch.setattr(_sliced_estimators, "_BLOCK_BYTES", 1)
    model, seen = SlicedWasserstein(50, random_state=0).fit(reference()), []
    stop = lambda info: seen.append(info) or info.iteration == 4  # noqa: E731
    whole = model.pairwise(many(count=20))
    found = model.pairwise(many(count=20), n_jobs=n_jobs, callback=stop)
    assert len(seen) == 4
    done = np.isfinite(found)
    assert done[0, :4].all()
    np.testing.assert_array_equal(done, done.T)
    np.testing.assert_array_equal(found[done], whole[done])
    np.testing.assert_array_equal(np.diag(found), 0.0)
    if n_jobs == 1:  # other jobs run ahead
        assert done.sum() == 20 + 2 * 3


def test_message_names_the_cloud():
    model = SlicedWasserstein(random_state=0).fit(reference())
    found = many()
    found[2][1, 1] = np.nan
    for method in (model.transform, model.pairwise):
        with pytest.raises(ValueError, match=r"X\[2\] must be finite; got NaN"):
            method(found)


def test_order_of_columns():
    pd = pytest.importorskip("pandas")
    X, Y = (pd.DataFrame(cloud, columns=["u", "v", "w"]) for cloud in (reference(), many()[0]))
    model, flow = SlicedWasserstein(random_state=0).fit(X), SlicedWassersteinFlow(n_iter=1, random_state=0)
    other = Y[["v", "u", "w"]]
    for call in (
        lambda: model.transform([Y, other]),
        lambda: model.pairwise([Y, other]),
        lambda: flow.fit(X, other),
    ):
        with pytest.raises(ValueError, match="feature names should match"):
            call()
    np.testing.assert_array_equal(model.transform([Y]), model.transform([Y.to_numpy()]))
    np.testing.assert_array_equal(flow.fit(X, Y).embedding_, flow.fit(X.to_numpy(), Y.to_numpy()).embedding_)


@pytest.mark.filterwarnings("ignore:A worker stopped:UserWarning")  # on a busy machine
def test_pairwise_in_parallel(monkeypatch):
    model = SlicedWasserstein(50, random_state=0).fit(reference())
    found = model.pairwise(many())
    monkeypatch.setattr(_sliced_estimators, "_BLOCK_BYTES", 30_000)
    np.testing.assert_array_equal(model.pairwise(many(), n_jobs=2), found)
    with parallel_config("threading", n_jobs=2):
        np.testing.assert_array_equal(model.pairwise(many()), found)


@pytest.mark.slow
def test_pairwise_on_dask(monkeypatch):
    distributed = pytest.importorskip("distributed")
    model = SlicedWasserstein(50, random_state=0).fit(reference())
    found = model.pairwise(many())
    monkeypatch.setattr(_sliced_estimators, "_BLOCK_BYTES", 1)
    options = {"n_workers": 1, "threads_per_worker": 2, "processes": False, "dashboard_address": None}
    seen = []
    with distributed.Client(**options), parallel_config("dask"):
        np.testing.assert_array_equal(model.pairwise(many(), callback=seen.append), found)
    assert len(seen) == 28


def test_precomputed_neighbours_and_embedding():
    clouds, labels = many(count=24), np.arange(24) % 2
    model = SlicedWasserstein(random_state=0).fit(clouds[0])
    distances = model.pairwise(clouds)
    neighbours = KNeighborsClassifier(3, metric="precomputed").fit(distances[:16, :16], labels[:16])
    assert neighbours.score(distances[16:, :16], labels[16:]) == 1.0
    options = {"n_init": 1, "random_state": 0, "init": "random"}
    try:
        embedding = MDS(2, metric="precomputed", **options)
        points = embedding.fit_transform(distances)
    except (TypeError, ValueError):  # scikit-learn before 1.8 has another name for it
        points = MDS(2, dissimilarity="precomputed", **options).fit_transform(distances)
    between = np.linalg.norm(points[::2].mean(axis=0) - points[1::2].mean(axis=0))
    assert between > 2 * points[::2].std(axis=0).max()


def test_kernel_is_positive():
    clouds = many(count=20)
    distances = SlicedWasserstein(estimator="monte_carlo", random_state=0).fit(clouds[0]).pairwise(clouds)
    for gamma in (0.1, 1.0, 10.0):
        assert np.linalg.eigvalsh(np.exp(-gamma * distances**2)).min() > -1e-12
    # Squared distances are Euclidean: the doubly centred matrix has no negative eigenvalue.
    centre = np.eye(20) - 1 / 20
    assert np.linalg.eigvalsh(-centre @ distances**2 @ centre).min() > -1e-12
    # For p = 1 the distances themselves are of that kind, and their squares are not.
    distances = (
        SlicedWasserstein(p=1, estimator="monte_carlo", random_state=0).fit(clouds[0]).pairwise(clouds)
    )
    assert np.linalg.eigvalsh(-centre @ distances @ centre).min() > -1e-12
    assert np.linalg.eigvalsh(-centre @ distances**4 @ centre).min() < -1e-6


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_other_libraries(library, estimator):
    xp = pytest.importorskip(library)
    host = SlicedWasserstein(40, estimator=estimator, random_state=0).fit(reference())
    model = SlicedWasserstein(40, estimator=estimator, random_state=0).fit(xp.asarray(reference()))
    clouds = [xp.asarray(cloud) for cloud in many()]
    np.testing.assert_allclose(model.transform(clouds), host.transform(many()), rtol=1e-10)
    np.testing.assert_allclose(model.pairwise(clouds), host.pairwise(many()), rtol=1e-10, atol=1e-12)
    assert type(model.reference_) is type(clouds[0])
    weights = np.arange(1.0, 15.0)
    found = model.fit(xp.asarray(reference()), sample_weight=xp.asarray(weights)).transform(clouds)
    np.testing.assert_allclose(
        found, host.fit(reference(), sample_weight=weights).transform(many()), rtol=1e-10
    )
    with pytest.raises(TypeError, match=r"X\[1\] must be"):
        model.transform([clouds[0], many()[1]])
    with pytest.raises(TypeError, match=r"X\[0\] must be"):
        host.pairwise([clouds[0], many()[1]])


def test_scales_and_dtypes():
    clouds = many()
    plain = SlicedWasserstein(40, random_state=0).fit(reference())
    for scale in (1e150, 1e-150, 1e100, 1e-100):
        scaled = SlicedWasserstein(40, random_state=0).fit(reference() * scale)
        there = [cloud * scale for cloud in clouds]
        np.testing.assert_allclose(scaled.transform(there), plain.transform(clouds) * scale, rtol=1e-9)
        np.testing.assert_allclose(scaled.pairwise(there), plain.pairwise(clouds) * scale, rtol=1e-9)
    narrow = [cloud.astype(np.float32) for cloud in clouds]
    wide = [cloud.astype(np.float64) for cloud in narrow]
    np.testing.assert_array_equal(plain.pairwise(narrow), plain.pairwise(wide))
    stack = np.stack([cloud[:8] for cloud in clouds])
    np.testing.assert_array_equal(plain.transform(stack), plain.transform(list(stack)))


def test_anatomy():
    model = SlicedWasserstein(40, random_state=0)
    with pytest.raises(NotFittedError):
        model.transform(many())
    with pytest.raises(NotFittedError):
        model.pairwise(many())
    with pytest.raises(NotFittedError):
        model.get_feature_names_out()
    assert model.fit(reference()) is model
    assert list(model.get_feature_names_out()) == ["slicedwasserstein0"]
    assert model.directions_.shape == (40, 3)
    assert model.n_features_in_ == 3
    np.testing.assert_array_equal(model.reference_, reference())
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.transform(many()), model.transform(many()))
    copy = clone(SlicedWasserstein(directions=np.eye(3), p=1))
    np.testing.assert_array_equal(copy.directions, np.eye(3))
    np.testing.assert_array_equal(copy.fit(reference()).directions_, np.eye(3))


def test_pandas_output():
    pytest.importorskip("pandas")
    model = SlicedWasserstein(40, random_state=0).set_output(transform="pandas").fit(reference())
    table = model.transform(many())
    assert list(table.columns) == ["slicedwasserstein0"]
    assert table.shape == (7, 1)


@pytest.mark.parametrize(
    ("clouds", "match"),
    [
        (reference(), r"X must be a list of clouds; got shape \(14, 3\)\. .*\[X\]"),
        ([], "X must be a list of at least one cloud"),
        ([reference(), reference()[:, :2]], r"X\[1\] must be of 3 columns; got shape \(14, 2\)"),
        ([reference()[0]], r"X\[0\] must be 2-dimensional"),
        ([reference()[:0]], r"X\[0\] must be non-empty"),
        ([reference(), reference() * np.nan], "finite"),
    ],
)
def test_bad_clouds(clouds, match):
    model = SlicedWasserstein(40, random_state=0).fit(reference())
    for method in (model.transform, model.pairwise):
        with pytest.raises(ValueError, match=match):
            method(clouds)


@pytest.mark.parametrize(
    ("error", "match", "parameters"),
    [
        (ValueError, "p must be", {"p": 0.5}),
        (TypeError, "p must be", {"p": "2"}),
        (ValueError, "n_projections must be", {"n_projections": 0}),
        (TypeError, "n_projections must be", {"n_projections": 2.5}),
        (ValueError, "estimator must be one of", {"estimator": "plain"}),
        (ValueError, "directions must be one of", {"directions": "sobol"}),
        (ValueError, "directions must be unit", {"directions": 2 * np.eye(3)}),
        (ValueError, "directions must be of shape", {"directions": np.eye(2)}),
        (TypeError, "random_state must be", {"random_state": "x"}),
    ],
)
def test_bad_parameters(error, match, parameters):
    model = SlicedWasserstein(**parameters)
    with pytest.raises(error, match=match):
        model.fit(reference())
    assert not hasattr(model, "n_features_in_")


def test_bad_reference():
    for weights in (-np.ones(14), np.zeros(14), np.ones(13), np.full(14, np.nan)):
        with pytest.raises(ValueError, match="sample_weight must be"):
            SlicedWasserstein().fit(reference(), sample_weight=weights)
    for cloud in (reference()[0], reference() * np.nan, reference()[:0]):
        with pytest.raises(ValueError, match=r"NaN|2D|minimum|2-dimensional"):
            SlicedWasserstein().fit(cloud)


# The flow.


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_flow_between_shapes(estimator):
    X, Y = make_moons(150, noise=0.02, random_state=0)[0], make_circles(120, factor=0.5, random_state=0)[0]
    flow = SlicedWassersteinFlow(n_iter=60, estimator=estimator, random_state=0).fit(X, Y)
    assert flow.history_.shape == (60,)
    assert flow.history_[-1] < 1e-2 * flow.history_[0]
    # Against directions that the flow did not see.
    options = {"estimator": "monte_carlo", "directions": random_directions(500, 2, kind="qmc", rng=9)}
    before, after = (sliced_wasserstein(cloud, Y, **options).power for cloud in (X, flow.embedding_))
    assert after < 1e-2 * before
    assert flow.history_[0] == pytest.approx(before, rel=0.1)
    if estimator == "gaussian":
        assert (np.diff(flow.history_[:10]) < 0).all()


@pytest.mark.parametrize("d", [2, 3, 6])
@pytest.mark.parametrize("estimator", ["gaussian", "monte_carlo"])
def test_translation_in_one_step(d, estimator):
    X = np.random.default_rng(0).standard_normal((40, d))
    shift = np.arange(1.0, d + 1)
    options = {"n_iter": 1, "learning_rate": 1.0, "n_projections": 2 * d if d != 2 else 50}
    flow = SlicedWassersteinFlow(**options, estimator=estimator, directions="orthogonal", random_state=0)
    flow.fit(X, X + shift)
    np.testing.assert_allclose(flow.embedding_, X + shift, rtol=0, atol=1e-12)
    assert flow.history_[0] == pytest.approx(shift @ shift / d, rel=1e-10)
    half = SlicedWassersteinFlow(**{**options, "learning_rate": 0.5}, directions="orthogonal", random_state=0)
    np.testing.assert_allclose(half.fit(X, X + shift).embedding_, X + shift / 2, rtol=0, atol=1e-12)


def test_step_of_the_flow():
    # x - rate * k n / 2 * gradient, with k the smaller of dimension and number of directions.
    X, Y = reference(4), many(4)[1]
    for n_projections in (2, 30):
        flow = SlicedWassersteinFlow(1, 0.7, n_projections, random_state=3).fit(X, Y)
        power, gradient = sliced_wasserstein_gradient(X, Y, n_projections=n_projections, rng=3)
        expected = X - 0.7 * min(4, n_projections) * len(X) / 2 * gradient
        np.testing.assert_allclose(flow.embedding_, expected, rtol=1e-12)
        assert flow.history_[0] == power


def test_weights_of_the_flow():
    X, Y = reference(2), many(2)[1]
    a, b = np.arange(14.0), np.arange(1.0, len(Y) + 1)
    flow = SlicedWassersteinFlow(n_iter=5, random_state=0).fit(X, Y, a, b)
    np.testing.assert_array_equal(flow.embedding_[0], X[0])
    assert (flow.embedding_[1:] != X[1:]).all()
    # A step is that of the gradient over the weight, and integer weights are repeated points.
    twice = SlicedWassersteinFlow(n_iter=5, random_state=0).fit(X[[0, 0, 1]], Y).embedding_
    doubled = SlicedWassersteinFlow(n_iter=5, random_state=0).fit(X[:2], Y, [2.0, 1.0]).embedding_
    assert np.abs((twice[0] + twice[1]) / 2 - doubled[0]).max() < 0.2
    scaled = SlicedWassersteinFlow(n_iter=5, random_state=0).fit(X, Y, a / a.sum(), 7 * b)
    np.testing.assert_allclose(scaled.embedding_, flow.embedding_, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("estimator", ["monte_carlo", "gaussian"])
def test_points_of_next_to_no_weight_stay(estimator):
    X, Y, a = reference(2), many(2)[1], np.ones(14)
    a[5], a[6] = 1e-310, 1e-250
    flow = SlicedWassersteinFlow(n_iter=3, estimator=estimator, random_state=0).fit(X, Y, a)
    assert np.isfinite(flow.embedding_).all()
    np.testing.assert_array_equal(flow.embedding_[5:7], X[5:7])


def test_given_directions_of_the_flow():
    X, Y, theta = reference(5), many(5)[1], random_directions(2, 5, rng=0)
    options = {"n_iter": 3, "estimator": "monte_carlo", "directions": theta}
    found, same = (SlicedWassersteinFlow(n_projections=n, **options).fit(X, Y).embedding_ for n in (2, 100))
    np.testing.assert_array_equal(found, same)


def test_points_of_tiny_weight_move_as_others():
    # The step divides by the weight, so a gradient that lost its digits would throw the point away.
    X, Y = reference(2), many(2)[1]
    found = []
    for size in (1e-9, 1e-13, 1e-17):
        a = np.ones(14)
        a[5] = size
        flow = SlicedWassersteinFlow(n_iter=3, estimator="monte_carlo", random_state=0).fit(X, Y, a)
        found.append(flow.embedding_[5])
    np.testing.assert_allclose(found[1], found[0], atol=1e-6)
    np.testing.assert_allclose(found[2], found[0], atol=1e-6)


def test_snapshots():
    X, Y = reference(2), many(2)[1]
    flow = SlicedWassersteinFlow(n_iter=20, n_snapshots=5, random_state=0).fit(X, Y)
    assert len(flow.snapshots_) == 5
    np.testing.assert_array_equal(flow.snapshots_[0], X)
    np.testing.assert_array_equal(flow.snapshots_[-1], flow.embedding_)
    half = SlicedWassersteinFlow(n_iter=10, random_state=0).fit(X, Y)
    np.testing.assert_array_equal(flow.snapshots_[2], half.embedding_)
    assert SlicedWassersteinFlow(n_iter=2, random_state=0).fit(X, Y).snapshots_ == []
    assert len(SlicedWassersteinFlow(n_iter=7, n_snapshots=8, random_state=0).fit(X, Y).snapshots_) == 8
    flow = SlicedWassersteinFlow(n_iter=20, n_snapshots=2, random_state=0).fit(X, Y)
    np.testing.assert_array_equal(flow.snapshots_[1], flow.embedding_)


def test_callback():
    X, Y = reference(2), many(2)[1]
    seen = []
    flow = SlicedWassersteinFlow(n_iter=6, random_state=0).fit(X, Y, callback=seen.append)
    assert [info.iteration for info in seen] == [1, 2, 3, 4, 5, 6]
    np.testing.assert_array_equal([info.figure for info in seen], flow.history_)
    stopped = SlicedWassersteinFlow(n_iter=6, random_state=0).fit(
        X, Y, callback=lambda info: info.iteration == 2
    )
    assert stopped.n_iter_ == 2
    np.testing.assert_array_equal(stopped.history_, flow.history_[:2])
    two = SlicedWassersteinFlow(n_iter=2, random_state=0).fit(X, Y)
    np.testing.assert_array_equal(stopped.embedding_, two.embedding_)


def test_flow_is_reproducible_and_keeps_dtypes():
    X, Y = reference(3), many(3)[1]
    flow = SlicedWassersteinFlow(n_iter=4, random_state=0)
    first = flow.fit_transform(X, Y)
    np.testing.assert_array_equal(flow.fit_transform(X, Y), first)
    np.testing.assert_array_equal(clone(flow).fit(X, Y).embedding_, first)
    assert not np.array_equal(flow.set_params(random_state=1).fit_transform(X, Y), first)
    loaded = pickle.loads(pickle.dumps(flow))
    np.testing.assert_array_equal(loaded.embedding_, flow.embedding_)
    flow.set_params(random_state=0, n_snapshots=2)
    copy = X.copy()
    narrow = flow.fit(X.astype(np.float32), Y)
    assert narrow.embedding_.dtype == np.float32
    assert all(cloud.dtype == np.float32 for cloud in narrow.snapshots_)
    np.testing.assert_allclose(narrow.embedding_, first, atol=1e-5)
    np.testing.assert_array_equal(X, copy)


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
def test_flow_in_other_libraries(library):
    xp = pytest.importorskip(library)
    X, Y, a = reference(3), many(3)[1], np.arange(14.0)
    for weights in (None, a):
        host = SlicedWassersteinFlow(n_iter=3, random_state=0).fit(X, Y, weights)
        flow = SlicedWassersteinFlow(n_iter=3, random_state=0, n_snapshots=2)
        flow.fit(xp.asarray(X), xp.asarray(Y), None if weights is None else xp.asarray(weights))
        assert type(flow.embedding_) is type(xp.asarray(X))
        assert type(flow.snapshots_[0]) is type(xp.asarray(X))
        np.testing.assert_allclose(np.from_dlpack(flow.embedding_), host.embedding_, rtol=1e-8, atol=1e-10)
    with pytest.raises(TypeError, match="one library"):
        SlicedWassersteinFlow().fit(xp.asarray(X), Y)


@pytest.mark.parametrize("scale", [1e150, 1e-150, 1e100, 1e-100])
def test_scale_of_the_flow(scale):
    X, Y = reference(3), many(3)[1]
    plain = SlicedWassersteinFlow(n_iter=3, random_state=0).fit(X, Y)
    scaled = SlicedWassersteinFlow(n_iter=3, random_state=0).fit(X * scale, Y * scale)
    np.testing.assert_allclose(scaled.embedding_, plain.embedding_ * scale, rtol=1e-9)


@pytest.mark.parametrize(
    ("error", "match", "parameters"),
    [
        (ValueError, "n_iter must be", {"n_iter": 0}),
        (TypeError, "n_iter must be", {"n_iter": 1.5}),
        (ValueError, "learning_rate must be", {"learning_rate": 0.0}),
        (ValueError, "learning_rate must be", {"learning_rate": -1.0}),
        (TypeError, "learning_rate must be", {"learning_rate": "x"}),
        (ValueError, "n_snapshots must be", {"n_snapshots": -1}),
        (ValueError, "n_projections must be", {"n_projections": 0}),
        (TypeError, "n_projections must be", {"n_projections": "9"}),
        (ValueError, "p must be", {"p": 0.5}),
        (ValueError, "estimator must be one of", {"estimator": "plain"}),
        (ValueError, "directions must be one of", {"directions": "sobol"}),
        (TypeError, "random_state must be", {"random_state": "x"}),
    ],
)
def test_bad_parameters_of_the_flow(error, match, parameters):
    flow = SlicedWassersteinFlow(**parameters)
    with pytest.raises(error, match=match):
        flow.fit(reference(), many()[1])
    assert not hasattr(flow, "embedding_")
    assert not hasattr(flow, "n_features_in_")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((reference(), many(2)[0]), r"Y must be of shape \(m, 3\)"),
        ((reference(), many()[0][0]), "Y must be 2-dimensional"),
        ((reference(), many()[0] * np.nan), "finite"),
        ((reference() * np.nan, many()[0]), "NaN"),
        ((reference(), many()[0], np.ones(13)), "sample_weight must be"),
        ((reference(), many()[0], -np.ones(14)), "sample_weight must be non-negative"),
        ((reference(), many()[0], None, np.zeros(len(many()[0]))), "must be of positive"),
        ((reference(), many()[0], None, -np.ones(len(many()[0]))), "must be non-negative"),
    ],
)
def test_bad_input_of_the_flow(arguments, match):
    flow = SlicedWassersteinFlow(n_iter=1)
    with pytest.raises(ValueError, match=match):
        flow.fit(*arguments)
    assert not hasattr(flow, "embedding_")
