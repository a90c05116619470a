"""The regression that chooses its points: points, weights, stability, fits, moments, quality."""

import math
import pickle
import threading
import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures
from threadpoolctl import threadpool_info, threadpool_limits

from spectralkit.sampling import (
    OptimalWeightedLeastSquares,
    TensorPolynomialBasis,
    christoffel_density,
    empirical_gram,
    sample_dpp,
    weighted_lstsq,
)
from tests.sampling import reference


def make(degree=4, d=2, family="legendre", **options):
    basis = TensorPolynomialBasis(family, degree, n_dims=d)
    return OptimalWeightedLeastSquares(basis, **{"random_state": 0, **options})


def smooth(X):
    return np.exp(0.5 * X[:, 0]) * np.cos(X[:, -1])


def stability(estimator, X, weights):
    return np.linalg.eigvalsh(empirical_gram(estimator.basis.evaluate(X), weights))[0]


# Points.


@pytest.mark.parametrize("sampling", ["iid", "dpp", "volume"])
@pytest.mark.parametrize("n", [None, 15, 20, 47])
def test_sample(sampling, n):
    estimator = make(sampling=sampling, n_samples=n)
    X = estimator.sample()
    assert X.shape == (30 if n is None else n, 2)
    np.testing.assert_array_equal(estimator.X_, X)
    density = christoffel_density(estimator.basis.evaluate(X))
    np.testing.assert_allclose(estimator.weights_, 1 / density, rtol=1e-13)
    assert estimator.stability_ == pytest.approx(stability(estimator, X, 1 / density), rel=1e-6, abs=1e-12)
    assert estimator.n_trials_ == 1
    assert not hasattr(estimator, "coef_")


@pytest.mark.parametrize("sampling", ["iid", "dpp"])
def test_fewer_points_than_functions(sampling):
    estimator = make(sampling=sampling, n_samples=7)
    assert estimator.sample().shape == (7, 2)
    assert estimator.stability_ == 0.0


def test_what_is_drawn():
    # By default each m points in a row are one draw of the determinantal process: its small variance shows.
    families, basis = ["legendre"], TensorPolynomialBasis("legendre", 9)
    mean, variance = reference.linear_statistic(families, basis.multi_indices, lambda X: np.cos(3 * X[:, 0]))
    rng = np.random.default_rng(0)
    sums = {
        sampling: np.array(
            [
                np.sum(
                    np.cos(3 * OptimalWeightedLeastSquares(basis, sampling, 20, random_state=rng).sample())
                )
                for _ in range(250)
            ]
        )
        for sampling in ("dpp", "iid")
    }
    for values in sums.values():
        assert abs(reference.z_mean(values, 2 * mean)) < 4
    assert abs(reference.z_variance(sums["dpp"], 2 * variance)) < 4
    assert reference.z_variance(sums["iid"], 2 * variance) > 5


def test_seeds():
    first = make().sample()
    np.testing.assert_array_equal(make().sample(), first)
    np.testing.assert_array_equal(make(random_state=np.random.default_rng(0)).sample(), first)
    assert not np.array_equal(make(random_state=1).sample(), first)
    estimator = make(random_state=np.random.default_rng(0))
    assert not np.array_equal(estimator.sample(), estimator.sample())
    legacy = [make(random_state=np.random.RandomState(3)).sample() for _ in range(2)]
    np.testing.assert_array_equal(*legacy)
    assert not np.array_equal(make(random_state=None).sample(), make(random_state=None).sample())


@pytest.mark.parametrize("sampling", ["iid", "dpp", "volume"])
def test_stability_bound(sampling):
    estimator = make(sampling=sampling, n_samples=60, stability=0.35, max_trials=500)
    trials = []
    for seed in range(5):
        X = estimator.set_params(random_state=seed).sample()
        assert stability(estimator, X, estimator.weights_) >= 0.35 - 1e-12
        assert estimator.stability_ >= 0.35
        trials.append(estimator.n_trials_)
    assert max(trials) > 1 or sampling == "dpp"


def test_the_best_of_all_trials():
    options = {"sampling": "iid", "n_samples": 16, "random_state": 3}
    estimator = make(stability=0.9, max_trials=25, **options)
    with pytest.warns(
        ConvergenceWarning, match=r"reached .*, tolerance 0\.9.*Raise n_samples or max_trials"
    ) as caught:
        X = estimator.sample()
    assert len(caught) == 1
    assert estimator.n_trials_ == 25
    # The same stream, one draw at a time.
    rng = np.random.default_rng(3)
    draws = [make(**{**options, "random_state": rng}).sample() for _ in range(25)]
    found = [stability(estimator, X, 1 / christoffel_density(estimator.basis.evaluate(X))) for X in draws]
    np.testing.assert_array_equal(X, draws[int(np.argmax(found))])
    assert estimator.stability_ == pytest.approx(max(found), rel=1e-6)


def test_trials_that_cannot_succeed():
    estimator = make(n_samples=7, stability=0.5, max_trials=3)
    with pytest.warns(ConvergenceWarning, match="reached 0,"):
        estimator.sample()
    assert (estimator.n_trials_, estimator.stability_, estimator.X_.shape) == (3, 0.0, (7, 2))


@pytest.mark.parametrize("bound", [None, 0.1, 0.3])
def test_greedy(bound):
    estimator = make(n_samples=90, stability=bound, greedy=True)
    X = estimator.sample()
    assert 15 <= len(X) < 60
    assert len(estimator.weights_) == len(X)
    assert stability(estimator, X, estimator.weights_) >= (0.5 if bound is None else bound) - 1e-12
    assert estimator.stability_ == pytest.approx(stability(estimator, X, estimator.weights_), rel=1e-6)
    everything = make(n_samples=90, stability=bound).sample()
    assert {tuple(x) for x in X.tolist()} <= {tuple(x) for x in everything.tolist()}
    coef = estimator.fit(X, smooth(X)).coef_
    expected = weighted_lstsq(estimator.basis.evaluate(X), smooth(X), estimator.weights_)
    np.testing.assert_allclose(coef, expected, rtol=1e-11, atol=1e-14)


# Fits.


def test_weights_of_sampled_points():
    estimator = make()
    X = estimator.sample()
    y = smooth(X)
    optimal, stable = estimator.weights_, estimator.stability_
    estimator.fit(X, y)
    Phi = estimator.basis.evaluate(X)
    np.testing.assert_allclose(estimator.coef_, weighted_lstsq(Phi, y, optimal), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(estimator.weights_, optimal, rtol=1e-14)
    assert estimator.stability_ == pytest.approx(stable, rel=1e-12)
    # As a list, or read back from memory: the same points.
    np.testing.assert_allclose(estimator.fit(X.tolist(), y.tolist()).weights_, optimal, rtol=1e-14)
    # Points from elsewhere, or in another order: ones.
    for other in (X[::-1], 0.9 * X, X[:-1]):
        estimator.fit(other, smooth(other))
        np.testing.assert_array_equal(estimator.weights_, np.ones(len(other)))
        expected = weighted_lstsq(estimator.basis.evaluate(other), smooth(other), np.ones(len(other)))
        np.testing.assert_allclose(estimator.coef_, expected, rtol=1e-10, atol=1e-14)
    # And the sampled ones again.
    np.testing.assert_allclose(estimator.fit(X, y).weights_, optimal, rtol=1e-14)
    given = np.linspace(1, 2, len(X))
    np.testing.assert_allclose(estimator.fit(X, y, given).weights_, given, rtol=1e-14)
    np.testing.assert_allclose(estimator.coef_, weighted_lstsq(Phi, y, given), rtol=1e-10, atol=1e-14)


def test_changing_what_was_returned_changes_nothing():
    estimator = make()
    X = estimator.sample()
    kept, weights = X.copy(), estimator.weights_.copy()
    X[:] = 0.0
    np.testing.assert_array_equal(estimator.X_, kept)
    np.testing.assert_array_equal(estimator.fit(kept, smooth(kept)).weights_, weights)


def test_weights_are_repetitions():
    X, counts = (
        np.random.default_rng(0).uniform(-1, 1, (60, 2)),
        np.random.default_rng(1).integers(0, 4, size=60),
    )
    y = smooth(X) + X[:, 0] ** 7
    weighted = make().fit(X, y, counts)
    repeated = make().fit(np.repeat(X, counts, axis=0), np.repeat(y, counts))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-10)


@pytest.mark.parametrize("sampling", ["iid", "dpp", "volume"])
def test_polynomials_are_found_exactly(sampling):
    estimator = make(5, 3, sampling=sampling, n_samples=120, stability=0.02)

    def function(X):
        return 1 + X[:, 0] ** 3 * X[:, 1] - 2 * X[:, 2] ** 5 + X[:, 0] * X[:, 1] * X[:, 2]

    estimator.fit_function(function)
    X = np.random.default_rng(1).uniform(-2, 2, (50, 3))  # outside too
    np.testing.assert_allclose(estimator.predict(X), function(X), rtol=1e-9, atol=1e-9)
    assert estimator.score(X, function(X)) == pytest.approx(1, abs=1e-12)


def test_polynomials_from_as_many_points_as_functions():
    estimator = make(6, 2, n_samples=28).fit_function(lambda X: X[:, 0] ** 4 * X[:, 1] ** 2)
    X = np.random.default_rng(1).uniform(-1, 1, (50, 2))
    np.testing.assert_allclose(estimator.predict(X), X[:, 0] ** 4 * X[:, 1] ** 2, atol=1e-11)


@pytest.mark.parametrize("family", ["hermite", "laguerre", "chebyshev", ("jacobi", 1.0, -0.5)], ids=str)
def test_other_families(family):
    estimator = make(4, 2, family).fit_function(lambda X: X[:, 0] ** 3 * X[:, 1] - X[:, 1] ** 2)
    X = reference.gauss([family] * 2, 4)[0]
    np.testing.assert_allclose(estimator.predict(X), X[:, 0] ** 3 * X[:, 1] - X[:, 1] ** 2, atol=1e-8)


@pytest.mark.parametrize(
    ("family", "degree"), [("laguerre", 200), pytest.param("hermite", 380, marks=pytest.mark.slow)]
)
def test_degrees_whose_squares_overflow(family, degree):
    # At the turning point the squares of the polynomials are the inverse of a density of 1e-350.
    estimator = make(degree, 1, family).fit_function(lambda X: np.cos(X[:, 0] / 5))
    x = np.linspace(0.1, 3, 9)[:, None]
    np.testing.assert_allclose(estimator.predict(x), np.cos(x[:, 0] / 5), atol=1e-10)
    assert np.isfinite(estimator.weights_).all()
    assert estimator.stability_ > 1e-4


def test_several_outputs():
    def function(X):
        return np.stack([smooth(X), X[:, 0] ** 2, np.ones(len(X))], axis=1)

    estimator = make().fit_function(function)
    assert estimator.coef_.shape == (3, 15)
    X = np.random.default_rng(0).uniform(-1, 1, (9, 2))
    assert estimator.predict(X).shape == (9, 3)
    for j in range(3):
        single = make().fit_function(lambda X, j=j: function(X)[:, j])
        assert single.coef_.shape == (15,)
        np.testing.assert_allclose(estimator.coef_[j], single.coef_, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(estimator.predict(X)[:, j], single.predict(X), rtol=1e-11, atol=1e-13)
    moments = estimator.conditional_moments()
    assert moments.mean.shape == moments.variance.shape == (3,)
    assert moments.sobol.shape == moments.total_sobol.shape == (3, 2)
    assert moments.mean[1] == pytest.approx(1 / 3, rel=1e-12)
    assert moments.variance[1] == pytest.approx(4 / 45, rel=1e-12)
    np.testing.assert_allclose(moments.sobol[1], [1, 0], atol=1e-12)


def test_one_column_of_outputs():
    estimator = make().fit_function(lambda X: smooth(X)[:, None])
    assert estimator.coef_.shape == (1, 15)
    assert estimator.predict(np.zeros((4, 2))).shape == (4, 1)


def test_fewer_points_than_functions_in_fit():
    X = np.random.default_rng(0).uniform(-1, 1, (6, 2))
    estimator = make()
    with pytest.warns(UserWarning, match="fewer points than basis functions, 6 and 15") as caught:
        estimator.fit(X, smooth(X))
    assert len(caught) == 1
    expected = np.linalg.pinv(estimator.basis.evaluate(X)) @ smooth(X)
    np.testing.assert_allclose(estimator.coef_, expected, rtol=1e-10)
    np.testing.assert_allclose(estimator.predict(X), smooth(X), rtol=1e-10)
    assert estimator.stability_ == 0.0


def test_ends_of_the_support_are_inside():
    X = np.array([[-1.0, 1.0], [1.0, -1.0], [0.0, 0.0], [1.0, 1.0]])
    make(1).fit(X, np.arange(4.0))


def test_clones_and_pickles():
    estimator = make().fit_function(smooth)
    X = np.random.default_rng(0).uniform(-1, 1, (9, 2))
    again = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(again.predict(X), estimator.predict(X))
    np.testing.assert_array_equal(again.fit(again.X_, smooth(again.X_)).weights_, estimator.weights_)
    fresh = clone(estimator)
    assert not hasattr(fresh, "X_")
    np.testing.assert_array_equal(fresh.sample(), estimator.X_)


def test_a_new_basis_is_used():
    estimator = make(2).fit_function(smooth)
    estimator.set_params(basis=TensorPolynomialBasis("legendre", 5, n_dims=2))
    X = estimator.X_
    with pytest.warns(UserWarning, match="fewer points"):
        estimator.fit(X, smooth(X))
    assert estimator.coef_.shape == (21,)


def test_a_smaller_basis_of_the_same_measure():
    # The weights are the density of the measure over that of the points, for whatever basis.
    estimator = make(4, n_samples=3000)
    X = estimator.sample()
    optimal = estimator.weights_
    estimator.set_params(basis=TensorPolynomialBasis("legendre", 1, n_dims=2)).fit(X, smooth(X))
    np.testing.assert_array_equal(estimator.weights_, optimal)
    assert estimator.stability_ > 0.9


# Moments.


def ishigami(X):
    x = np.pi * X
    return np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])


def test_ishigami():
    # Of degree 10: what is left of the variance is below a thousandth.
    estimator = make(10, 3, n_samples=400).fit_function(ishigami)
    mean, variance, sobol = estimator.conditional_moments()
    first = 0.5 * (1 + 0.1 * np.pi**4 / 5) ** 2
    second, mixed = 49 / 8, 0.01 * np.pi**8 * 8 / 225
    total = first + second + mixed
    assert mean == pytest.approx(3.5, abs=0.03)
    assert variance == pytest.approx(total, rel=0.01)
    np.testing.assert_allclose(sobol, np.array([first, second, 0]) / total, atol=5e-3)
    found = estimator.conditional_moments()
    np.testing.assert_allclose(found.total_sobol, np.array([first + mixed, second, mixed]) / total, atol=5e-3)
    assert isinstance(mean, float)
    assert isinstance(variance, float)
    np.testing.assert_array_equal(found.sobol, sobol)


@pytest.mark.slow
def test_ishigami_of_high_degree():
    estimator = make(16, 3).fit_function(ishigami)
    mean, variance, sobol = estimator.conditional_moments()
    first = 0.5 * (1 + 0.1 * np.pi**4 / 5) ** 2
    total = first + 49 / 8 + 0.01 * np.pi**8 * 8 / 225
    assert mean == pytest.approx(3.5, abs=1e-5)
    assert variance == pytest.approx(total, rel=1e-5)
    np.testing.assert_allclose(sobol, np.array([first, 49 / 8, 0]) / total, atol=1e-5)


@pytest.mark.parametrize("family", ["legendre", "hermite", "laguerre", ("jacobi", 0.5, -0.5)], ids=str)
def test_moments_against_quadrature(family):
    def function(X):
        return 2 + X[:, 0] + X[:, 0] * X[:, 1] - 0.5 * X[:, 1] ** 3

    moments = make(4, 2, family).fit_function(function).conditional_moments()
    X, weights = reference.gauss([family] * 2, 8)
    values = function(X).reshape(8, 8)
    w = reference.gauss_1d(family, 8)[1]
    mean = weights @ values.ravel()
    variance = weights @ (values.ravel() - mean) ** 2
    given = [values @ w, w @ values]
    assert moments.mean == pytest.approx(mean, rel=1e-9)
    assert moments.variance == pytest.approx(variance, rel=1e-9)
    sobol = np.array([w @ (g - mean) ** 2 for g in given]) / variance
    np.testing.assert_allclose(moments.sobol, sobol, atol=1e-8)
    np.testing.assert_allclose(moments.total_sobol, 1 - sobol[::-1], atol=1e-8)


def test_moments_of_a_constant():
    X = np.random.default_rng(0).uniform(-1, 1, (40, 2))
    moments = make(2).fit(X, np.zeros(40)).conditional_moments()
    assert (moments.mean, moments.variance) == (0.0, 0.0)
    assert np.all(np.isnan(moments.sobol))
    moments = make(0).fit(X, np.full(40, 3.0)).conditional_moments()
    assert moments.mean == pytest.approx(3)
    assert moments.variance == 0.0


def test_moments_over_the_bounding_box():
    X = np.concatenate([np.random.default_rng(0).uniform([2, -1], [6, 1], (40, 2)), [[2, -1], [6, 1]]])
    mean, variance, sobol = OptimalWeightedLeastSquares().fit(X, X[:, 0]).conditional_moments()
    assert mean == pytest.approx(4)
    assert variance == pytest.approx(16 / 12)
    np.testing.assert_allclose(sobol, [1, 0], atol=1e-12)


# Tables.


def table(n=80, d=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) * np.array([1e-3, 1.0, 1e4])[:d] + np.array([5.0, 0.0, -3e5])[:d]
    return X, np.sin(X[:, 0] * 500) + X[:, 1] + rng.standard_normal(n)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_table_against_polynomial_features(weighted):
    X, y = table()
    weights = np.random.default_rng(1).random(80) if weighted else None
    estimator = OptimalWeightedLeastSquares().fit(X, y, weights)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    peer = make_pipeline(PolynomialFeatures(2), LinearRegression())
    peer.fit(Z, y, linearregression__sample_weight=weights)
    np.testing.assert_allclose(estimator.predict(X), peer.predict(Z), rtol=1e-9, atol=1e-9)
    outside = Z[:5] * 4
    X_outside = outside * X.std(axis=0) + X.mean(axis=0)
    np.testing.assert_allclose(estimator.predict(X_outside), peer.predict(outside), rtol=1e-8, atol=1e-8)
    assert estimator.basis_.n_features == 10
    assert estimator.coef_.shape == (10,)


def test_affine_maps_of_a_table():
    X, y = table()
    first = OptimalWeightedLeastSquares().fit(X, y).predict(X)
    Z = X * np.array([-3.0, 1e-8, 1e5]) + np.array([1.0, 0.0, -1e3])
    np.testing.assert_allclose(
        OptimalWeightedLeastSquares().fit(Z, y).predict(Z), first, rtol=1e-8, atol=1e-9
    )


@pytest.mark.parametrize("value", [0.0, 3.5, -1e12])
def test_constant_columns(value):
    X, y = table(d=2)
    Z = np.column_stack([X[:, 0], np.full(80, value), X[:, 1]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator = OptimalWeightedLeastSquares().fit(Z, y)
    expected = OptimalWeightedLeastSquares().fit(X, y).predict(X)
    np.testing.assert_allclose(estimator.predict(Z), expected, rtol=1e-9, atol=1e-9)
    assert np.all(np.isfinite(estimator.coef_))


def test_one_row():
    estimator = OptimalWeightedLeastSquares()
    with pytest.warns(UserWarning, match="fewer points than basis functions, 1 and 6"):
        estimator.fit([[1.0, 2.0]], [3.0])
    np.testing.assert_allclose(estimator.predict([[1.0, 2.0]]), [3.0])


def test_huge_ranges():
    X = np.array([[-1.7e308], [0.0], [1.7e308], [0.0]])
    y = np.array([1.0, 2.0, 5.0, 2.0])
    estimator = OptimalWeightedLeastSquares().fit(X, y)
    np.testing.assert_allclose(estimator.predict(X), y, rtol=1e-12)
    np.testing.assert_allclose(estimator.predict([[0.85e308]]), 3.25, rtol=1e-12)


def test_float32():
    X, y = (array.astype("float32") for array in table(d=2))
    estimator = OptimalWeightedLeastSquares().fit(X, y)
    assert estimator.coef_.dtype == np.float32
    assert estimator.predict(X).dtype == np.float32
    wide = OptimalWeightedLeastSquares().fit(X.astype(float), y.astype(float))
    np.testing.assert_allclose(estimator.predict(X), wide.predict(X.astype(float)), rtol=1e-5, atol=1e-5)


def test_data_frames():
    pandas = pytest.importorskip("pandas")
    X, y = table(d=2)
    frame = pandas.DataFrame(X, columns=["depth", "load"])
    estimator = OptimalWeightedLeastSquares().fit(frame, pandas.Series(y))
    assert estimator.feature_names_in_.tolist() == ["depth", "load"]
    np.testing.assert_array_equal(
        estimator.predict(frame), OptimalWeightedLeastSquares().fit(X, y).predict(X)
    )


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
def test_other_libraries(library):
    xp = pytest.importorskip(library)
    X, y = table(d=2)
    X[:, 0] = (X[:, 0] - 5) * 200
    X /= np.max(np.abs(X), axis=0)
    for basis in (None, TensorPolynomialBasis("legendre", 3, n_dims=2)):
        for targets, weights in ((y, None), (np.stack([y, -(y**2)], axis=1), np.linspace(0, 1, 80))):
            ours = OptimalWeightedLeastSquares(basis).fit(X, targets, weights)
            given = [None if array is None else xp.asarray(array) for array in (X, targets, weights)]
            theirs = OptimalWeightedLeastSquares(basis).fit(*given)
            assert isinstance(theirs.coef_, type(given[0]))
            assert isinstance(theirs.weights_, type(given[0]))
            np.testing.assert_allclose(np.asarray(theirs.coef_), ours.coef_, rtol=1e-9, atol=1e-11)
            found = theirs.predict(given[0])
            assert isinstance(found, type(given[0]))
            np.testing.assert_allclose(np.asarray(found), ours.predict(X), rtol=1e-9, atol=1e-11)
            mean, variance, sobol = theirs.conditional_moments()
            expected = ours.conditional_moments()
            np.testing.assert_allclose(mean, expected.mean, rtol=1e-9)
            np.testing.assert_allclose(variance, expected.variance, rtol=1e-9)
            np.testing.assert_allclose(sobol, expected.sobol, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
def test_functions_of_other_libraries(library):
    # Sampled points are NumPy arrays; a function may take them elsewhere, and the fit goes along.
    xp = pytest.importorskip(library)
    estimator = make()
    X = estimator.sample()
    optimal = estimator.weights_
    theirs = estimator.fit(xp.asarray(X), xp.asarray(smooth(X)))
    np.testing.assert_allclose(np.asarray(theirs.weights_), optimal, rtol=1e-14)
    expected = weighted_lstsq(estimator.basis.evaluate(X), smooth(X), optimal)
    np.testing.assert_allclose(np.asarray(theirs.coef_), expected, rtol=1e-10, atol=1e-13)


# Quality.


def relative_errors(sampling, n, draws, function, m=10, **options):
    """Errors over that of the best approximation, both by quadrature of the residual."""
    basis = TensorPolynomialBasis("legendre", m - 1)
    X, weights = reference.gauss(["legendre"], 200)
    Phi, values = basis.evaluate(X), function(X)
    best = math.sqrt(weights @ (values - Phi @ (Phi.T @ (weights * values))) ** 2)
    errors = []
    for seed in range(draws):
        estimator = OptimalWeightedLeastSquares(basis, sampling, n, random_state=seed, **options)
        found = estimator.fit_function(function).predict(X)
        errors.append(math.sqrt(weights @ (values - found) ** 2) / best)
    return best, np.array(errors)


def runge(X):
    return 1 / (1 + 25 * X[:, 0] ** 2)


def test_error_against_the_best():
    best, repeated = relative_errors("dpp", 30, 150, runge)
    assert best == pytest.approx(5.871e-2, rel=1e-3)
    assert np.all(repeated >= 1)
    assert np.median(repeated) <= 1.2
    assert np.quantile(repeated, 0.95) <= 1.6
    _, independent = relative_errors("iid", 30, 150, runge)
    assert np.quantile(independent, 0.95) > 1.3 * np.quantile(repeated, 0.95)
    assert stats.mannwhitneyu(repeated, independent, alternative="less").pvalue < 1e-4


def test_error_with_fewer_points():
    repeated, independent = (relative_errors(kind, 20, 150, runge)[1] for kind in ("dpp", "iid"))
    assert np.quantile(repeated, 0.95) <= 2
    assert np.quantile(independent, 0.95) > 4


def test_volume_sampling_with_as_few_points_as_functions():
    volume, independent = (relative_errors(kind, 10, 100, runge)[1] for kind in ("volume", "iid"))
    assert np.median(volume) < 3
    assert np.median(independent) > 6


def test_stable_draws_are_better():
    plain = relative_errors("dpp", 10, 80, runge)[1]
    stable = relative_errors("dpp", 10, 80, runge, stability=0.1, max_trials=200)[1]
    assert np.quantile(stable, 0.95) < np.quantile(plain, 0.95)
    assert np.median(stable) < 2


@pytest.mark.filterwarnings("ignore:no point was dropped")  # a few of the draws are not stable
def test_few_points_chosen_among_many():
    _, errors = relative_errors("iid", 60, 60, runge, greedy=True)
    assert np.median(errors) < 1.8


def test_stability_of_repeated_draws():
    basis = TensorPolynomialBasis("legendre", 9)
    found = {
        kind: [OptimalWeightedLeastSquares(basis, kind, 30, random_state=seed) for seed in range(120)]
        for kind in ("dpp", "iid", "volume")
    }
    shares = {}
    for kind, estimators in found.items():
        for estimator in estimators:
            estimator.sample()
        shares[kind] = np.mean([estimator.stability_ > 0.5 for estimator in estimators])
    assert shares["dpp"] >= 0.4
    assert shares["iid"] < 0.1
    assert shares["volume"] < 0.2


def test_nothing_to_drop():
    unstable = OptimalWeightedLeastSquares(TensorPolynomialBasis("legendre", 9), "iid", 12, greedy=True)
    with pytest.warns(UserWarning, match=r"no point was dropped: the smallest eigenvalue .* Raise n_samples"):
        assert len(unstable.set_params(random_state=0).sample()) == 12


def test_points_that_went_through_a_file():
    surrogate = OptimalWeightedLeastSquares(TensorPolynomialBasis("legendre", 9), random_state=0)
    X = surrogate.sample()
    optimal = surrogate.weights_
    for points in (np.round(X, 9), X.astype(np.float32), X.tolist()):
        np.testing.assert_allclose(surrogate.fit(points, runge(X)).weights_, optimal, rtol=1e-6)
    np.testing.assert_array_equal(surrogate.fit(X[::-1], runge(X[::-1])).weights_, 1.0)
    other = surrogate.set_params(basis=TensorPolynomialBasis("chebyshev", 9))
    np.testing.assert_array_equal(other.fit(X, runge(X)).weights_, 1.0)


def test_one_rounding_error_outside_of_the_support():
    X = np.array([[-1.0], [0.25], [np.nextafter(1, 2)]])
    model = OptimalWeightedLeastSquares(TensorPolynomialBasis("legendre", 1)).fit(X, X[:, 0])
    np.testing.assert_allclose(model.predict(X), X[:, 0], atol=1e-14)


def test_sobol_indices_have_no_units():
    X = np.random.default_rng(0).uniform(-1, 1, (30, 2))
    y = X[:, 0] + 2 * X[:, 1]
    model = OptimalWeightedLeastSquares(TensorPolynomialBasis("legendre", 2, n_dims=2))
    for scale in (1e-170, 1.0, 1e140):
        np.testing.assert_allclose(model.fit(X, scale * y).conditional_moments().sobol, [0.2, 0.8], rtol=1e-9)
    assert np.isnan(model.fit(X, np.full(30, 3.0)).conditional_moments().sobol).all()


def test_functions_that_work_in_place():
    def spoils(X):
        X *= 0.5
        return np.exp(X[:, 0])

    basis = TensorPolynomialBasis("legendre", 6)
    model = OptimalWeightedLeastSquares(basis, random_state=0).fit_function(spoils)
    np.testing.assert_allclose(model.predict([[0.4]]), np.exp(0.2), rtol=1e-6)
    with pytest.raises(TypeError, match="function must be a callable; got type int"):
        model.fit_function(5)


def test_targets_that_are_no_numbers():
    X = np.random.default_rng(0).uniform(-1, 1, (40, 2))
    model = OptimalWeightedLeastSquares(TensorPolynomialBasis("legendre", 3, n_dims=2))
    for bad in (None, np.inf):
        with pytest.raises(ValueError, match="y must be finite"):
            model.fit(X, np.array([bad] + [1.0] * 39, dtype=object))


def test_degrees_beyond_the_range():
    with pytest.raises(ValueError, match="basis must be in the range of float64"):
        OptimalWeightedLeastSquares(TensorPolynomialBasis("laguerre", 360), random_state=0).sample()


def test_constant_columns_of_any_size():
    X = np.column_stack([np.full(10, 1e16), np.arange(10.0), np.tile([0.0, 5e-324], 5)])
    model = OptimalWeightedLeastSquares()
    with pytest.warns(UserWarning, match="fewer points than basis functions"):
        model.fit(X[:9], X[:9, 1])
    np.testing.assert_allclose(model.predict(X[:9]), X[:9, 1], atol=1e-9)


@pytest.mark.filterwarnings("ignore:There are fewer points")
def test_two_threads_leave_blas_as_it_was():
    def limits():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    basis = TensorPolynomialBasis("legendre", 12, n_dims=2)
    sample_dpp(basis, rng=0)
    with threadpool_limits(2, user_api="blas"):
        before = limits()
        threads = [
            threading.Thread(target=sample_dpp, args=(basis,), kwargs={"n_repeats": n, "rng": 1})
            for n in (2, 6, 4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert limits() == before
