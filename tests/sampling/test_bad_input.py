"""Wrong input to everything in the family: the exceptions, with the value and what to do."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from spectralkit.sampling import (
    OptimalWeightedLeastSquares,
    TensorPolynomialBasis,
    christoffel_density,
    empirical_gram,
    greedy_subsample,
    sample_christoffel,
    sample_dpp,
    sample_dpp_finite,
    sample_volume,
    weighted_lstsq,
)

rng = np.random.default_rng(0)
Phi, y, weights = rng.standard_normal((7, 3)), rng.random(7), rng.random(7) + 0.1
basis = TensorPolynomialBasis("legendre", 2, n_dims=2)


def changed(array, value, index=0):
    array = array.copy()
    array.flat[index] = value
    return array


# Functions of a matrix.

MATRIX = {
    "density": christoffel_density,
    "gram": lambda Phi: empirical_gram(Phi, np.ones(len(Phi)) if np.ndim(Phi) else 1.0),
    "lstsq": lambda Phi: (
        weighted_lstsq(Phi, y[: len(Phi)], weights[: len(Phi)]) if np.ndim(Phi) else weighted_lstsq(Phi, y, y)
    ),
    "greedy": lambda Phi: greedy_subsample(Phi, weights[: len(Phi)] if np.ndim(Phi) else y),
    "dpp": sample_dpp_finite,
}


@pytest.mark.parametrize("function", MATRIX.values(), ids=MATRIX)
@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (Phi[0], ValueError, r"Phi must be of shape \(n, m\); got shape \(3,\)"),
        (Phi[None], ValueError, r"Phi must be of shape \(n, m\); got shape \(1, 7, 3\)"),
        (1.0, ValueError, r"Phi must be of shape \(n, m\); got shape \(\)"),
        (Phi[:0], ValueError, r"Phi must be non-empty; got shape \(0, 3\)"),
        (Phi[:, :0], ValueError, r"Phi must be non-empty; got shape \(7, 0\)"),
        (changed(Phi, np.nan), ValueError, "Phi must be finite; got NaN or infinity. Drop those rows"),
        (changed(Phi, np.inf, 5), ValueError, "Phi must be finite"),
        (changed(changed(Phi, -np.inf, -1), np.inf), ValueError, "Phi must be finite"),
        (Phi + 1j, TypeError, "Phi must be real; got dtype complex128"),
        (Phi.astype(object), TypeError, "Phi must be of .*; got dtype object"),
        (Phi.astype("U8"), TypeError, "Phi must be of"),
        (Phi.astype("longdouble"), TypeError, "Phi must be of .*; got dtype"),
    ],
)
def test_matrix(function, value, error, match):
    with pytest.raises(error, match=match):
        function(value)


WEIGHTED = {
    "gram": lambda weights: empirical_gram(Phi, weights),
    "lstsq": lambda weights: weighted_lstsq(Phi, y, weights),
    "greedy": lambda weights: greedy_subsample(Phi, weights),
}


@pytest.mark.parametrize("function", WEIGHTED.values(), ids=WEIGHTED)
@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (
            weights[:6],
            ValueError,
            r"weights must be of shape \(7,\), one for each row of Phi; got shape \(6,\)",
        ),
        (weights[:, None], ValueError, r"weights must be of shape \(7,\); got shape \(7, 1\)"),
        (1.0, ValueError, r"weights must be of shape \(7,\); got shape \(\)"),
        (weights[:0], ValueError, "weights must be non-empty"),
        (changed(weights, -0.1, 3), ValueError, r"weights must be non-negative; got -0\.1"),
        (changed(weights, -1e-300, 3), ValueError, "weights must be non-negative; got -1e-300"),
        (changed(weights, np.nan), ValueError, "weights must be finite"),
        (changed(weights, np.inf), ValueError, "weights must be finite"),
        (weights + 0j, TypeError, "weights must be real; got dtype complex128"),
        (weights.astype(object), TypeError, "weights must be of .*; got dtype object"),
        (None, TypeError, "weights must be"),
    ],
)
def test_weights(function, value, error, match):
    with pytest.raises(error, match=match):
        function(value)


@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (
            y[:6],
            ValueError,
            r"y must be of shape \(7,\) or \(7, k\), a row for each row of Phi; got shape \(6,\)",
        ),
        (y[None], ValueError, r"y must be of shape .*; got shape \(1, 7\)"),
        (np.ones((7, 2, 2)), ValueError, r"y must be of shape .*; got shape \(7, 2, 2\)"),
        (np.ones((7, 0)), ValueError, r"y must be non-empty; got shape \(7, 0\)"),
        (3.0, ValueError, r"y must be of shape .*; got shape \(\)"),
        (changed(y, np.nan), ValueError, "y must be finite"),
        (changed(y, -np.inf), ValueError, "y must be finite"),
        (y * 1j, TypeError, "y must be real; got dtype complex128"),
        (y.astype(object), TypeError, "y must be of .*; got dtype object"),
    ],
)
def test_targets(value, error, match):
    with pytest.raises(error, match=match):
        weighted_lstsq(Phi, value, weights)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"n_min": 2}, ValueError, "n_min must be an integer between 3 and 7; got 2. There are 3 functions"),
        ({"n_min": 8}, ValueError, "n_min must be an integer between 3 and 7; got 8"),
        ({"n_min": 4.0}, TypeError, r"n_min must be an integer; got 4\.0"),
        ({"n_min": True}, TypeError, "n_min must be an integer; got True"),
        ({"stability": 0.0}, ValueError, r"stability must be a finite number in \(0, 1\); got 0\.0"),
        ({"stability": 1}, ValueError, r"stability must be a finite number in \(0, 1\); got 1"),
        ({"stability": -0.5}, ValueError, "stability must be"),
        ({"stability": np.nan}, ValueError, "stability must be"),
        ({"stability": "0.5"}, TypeError, "stability must be a number; got '0.5'"),
        ({"stability": None}, TypeError, "stability must be a number"),
    ],
)
def test_options_of_greedy_removal(options, error, match):
    with pytest.raises(error, match=match):
        greedy_subsample(Phi, weights, **options)


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
def test_libraries_do_not_mix(library):
    xp = pytest.importorskip(library)
    theirs = xp.asarray(Phi)
    for call in (
        lambda: empirical_gram(theirs, weights),
        lambda: empirical_gram(Phi, xp.asarray(weights)),
        lambda: weighted_lstsq(theirs, y, xp.asarray(weights)),
        lambda: weighted_lstsq(theirs, xp.asarray(y), weights),
        lambda: weighted_lstsq(Phi, y, xp.asarray(weights)),
        lambda: greedy_subsample(theirs, weights),
        lambda: OptimalWeightedLeastSquares().fit(theirs, y),
        lambda: OptimalWeightedLeastSquares().fit(Phi, xp.asarray(y)),
        lambda: OptimalWeightedLeastSquares().fit(Phi, y, xp.asarray(weights)),
        lambda: OptimalWeightedLeastSquares().fit(theirs, xp.asarray(y), weights),
    ):
        with pytest.raises(TypeError, match=r"must be .*arrays of one library|librar"):
            call()


# Sampling from a basis.

SAMPLERS = {
    "christoffel": lambda basis=basis, **options: sample_christoffel(basis, 9, **options),
    "dpp": lambda basis=basis, **options: sample_dpp(basis, **options),
    "volume": lambda basis=basis, **options: sample_volume(basis, 9, **options),
}


@pytest.mark.parametrize("function", SAMPLERS.values(), ids=SAMPLERS)
@pytest.mark.parametrize("wrong", [None, "legendre", Phi, TensorPolynomialBasis, 3])
def test_basis(function, wrong):
    with pytest.raises(TypeError, match="basis must be a TensorPolynomialBasis; got type"):
        function(wrong)


@pytest.mark.parametrize(
    "function",
    [
        *SAMPLERS.values(),
        lambda rng: sample_dpp_finite(Phi, rng=rng),
        lambda rng: basis.sample_measure(3, rng=rng),
    ],
)
@pytest.mark.parametrize(
    ("wrong", "error"), [(-1, ValueError), ("0", TypeError), (1.5, TypeError), (True, TypeError)]
)
def test_generator(function, wrong, error):
    with pytest.raises(error, match=r"rng must be None, a non-negative integer or a numpy.random.Generator"):
        function(rng=wrong)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: sample_christoffel(basis, 0), ValueError, "n must be an integer of at least 1; got 0"),
        (lambda: sample_christoffel(basis, -2), ValueError, "n must be an integer of at least 1; got -2"),
        (lambda: sample_christoffel(basis, 3.0), TypeError, r"n must be an integer; got 3\.0"),
        (lambda: basis.sample_measure(0), ValueError, "n must be an integer of at least 1; got 0"),
        (lambda: basis.sample_measure("3"), TypeError, "n must be an integer; got '3'"),
        (lambda: sample_volume(basis, 5), ValueError, "at least 6; got 5. The basis has 6 functions"),
        (lambda: sample_volume(basis, 0), ValueError, "n must be an integer of at least 6; got 0"),
        (lambda: sample_volume(basis, 7.0), TypeError, "n must be an integer; got 7"),
        (
            lambda: sample_volume(basis, 9, reference="nu"),
            ValueError,
            "reference must be one of 'christoffel', 'measure'; got 'nu'",
        ),
        (lambda: sample_volume(basis, 9, reference=None), ValueError, "reference must be one of"),
        (
            lambda: sample_dpp(basis, n_repeats=0),
            ValueError,
            "n_repeats must be an integer of at least 1; got 0",
        ),
        (lambda: sample_dpp(basis, n_repeats=2.0), TypeError, "n_repeats must be an integer; got 2"),
        (
            lambda: sample_dpp_finite(Phi, n_repeats=0),
            ValueError,
            "n_repeats must be an integer of at least 1",
        ),
        (lambda: sample_dpp_finite(Phi, n_repeats=None), TypeError, "n_repeats must be an integer; got None"),
    ],
)
def test_numbers(call, error, match):
    with pytest.raises(error, match=match):
        call()


# The basis.


@pytest.mark.parametrize(
    ("families", "options", "error", "match"),
    [
        (
            "cosine",
            {},
            ValueError,
            r"families must be one of 'legendre', .* or \('jacobi', a, b\); got 'cosine'",
        ),
        ("jacobi", {}, ValueError, r"families must be one of .* or \('jacobi', a, b\); got 'jacobi'"),
        ("Legendre", {}, ValueError, "families must be one of"),
        (None, {}, ValueError, "families must be one of .*; got None"),
        (("jacobi", 1), {}, ValueError, "families must be one of"),
        (("legendre", 0, 0), {}, ValueError, "families must be one of"),
        (("jacobi", -1, 0), {}, ValueError, r"families\[1\] must be a finite number in \(-1, 1000.*; got -1"),
        (("jacobi", 0, -1.5), {}, ValueError, r"families\[2\] must be .*; got -1\.5"),
        (("jacobi", 0, np.inf), {}, ValueError, r"families\[2\] must be a finite number"),
        (("jacobi", np.nan, 0), {}, ValueError, r"families\[1\] must be a finite number"),
        (("jacobi", "0", 0), {}, TypeError, r"families\[1\] must be a number; got '0'"),
        ([], {}, ValueError, "families must be a list of at least one, a family for each coordinate; got 0"),
        (["legendre"] * 2, {"n_dims": 3}, ValueError, "families must be a list of 3, .*; got 2 of them"),
        (["legendre", "x"], {}, ValueError, r"families\[1\] must be one of .*; got 'x'"),
        (["legendre", ("jacobi", 0, -2)], {}, ValueError, r"families\[1\]\[2\] must be .*; got -2"),
        ("legendre", {"n_dims": 0}, ValueError, "n_dims must be an integer of at least 1; got 0"),
        ("legendre", {"n_dims": 2.0}, TypeError, "n_dims must be an integer; got 2"),
        ("legendre", {"degree": -1}, ValueError, "degree must be an integer of at least 0; got -1"),
        ("legendre", {"degree": 2.0}, TypeError, "degree must be an integer; got 2"),
        ("legendre", {"degree": None}, TypeError, "degree must be an integer; got None"),
        (
            "legendre",
            {"index_set": "simplex"},
            ValueError,
            "index_set must be one of 'total_degree', .*; got 'simplex'",
        ),
        ("legendre", {"index_set": None}, ValueError, "index_set must be one of 'total_degree'"),
        (
            "legendre",
            {"index_set": [0, 1]},
            ValueError,
            r"index_set must be .* integers of shape \(m, 1\); got .*\(2,\)",
        ),
        ("legendre", {"index_set": np.empty((0, 1), int)}, ValueError, r"index_set must be .*\(0, 1\)"),
        ("legendre", {"index_set": [[0.0], [1.0]]}, ValueError, "index_set must be .*dtype float64"),
        ("legendre", {"index_set": [[0, 1], [2]]}, ValueError, "index_set must be"),
        (
            "legendre",
            {"index_set": [[0, 0]], "n_dims": 3},
            ValueError,
            r"integers of shape \(m, 3\); got .*\(1, 2\)",
        ),
        (
            "legendre",
            {"index_set": [[0], [1], [1]]},
            ValueError,
            "index_set must be without repetitions; got 1 of them",
        ),
        ("legendre", {"index_set": [[0], [-1]]}, ValueError, "index_set must be non-negative; got -1"),
        (
            "legendre",
            {"index_set": [[0], [2]]},
            ValueError,
            r"downward closed; .*It has \(2,\) without \(1,\)",
        ),
        (
            "legendre",
            {"index_set": [[0, 0], [1, 1], [1, 0]]},
            ValueError,
            r"It has \(1, 1\) without \(0, 1\)",
        ),
        ("legendre", {"index_set": [[1], [2]]}, ValueError, "index_set must be downward closed"),
    ],
)
def test_definition_of_a_basis(families, options, error, match):
    with pytest.raises(error, match=match):
        TensorPolynomialBasis(families, **{"degree": 2, **options})


@pytest.mark.parametrize("method", ["evaluate", "gradient"])
@pytest.mark.parametrize(
    ("X", "error", "match"),
    [
        (Phi, ValueError, r"X must be of shape \(n, 2\); got shape \(7, 3\). One row a point"),
        ([0.0, 1.0], ValueError, r"X must be of shape \(n, 2\); got shape \(2,\)"),
        (0.5, ValueError, r"X must be of shape \(n, 2\); got shape \(\)"),
        ([[np.nan, 0.0]], ValueError, "X must be finite; got NaN or infinity"),
        ([[0.0, np.inf]], ValueError, "X must be finite"),
        ([[1j, 0.0]], TypeError, "X must be real; got dtype complex128"),
        ([["a", "b"]], TypeError, "X must be of"),
    ],
)
def test_points(method, X, error, match):
    with pytest.raises(error, match=match):
        getattr(basis, method)(X)


# The estimator.


@pytest.mark.parametrize(
    ("parameters", "error", "match"),
    [
        (
            {"basis": None},
            ValueError,
            "basis must be given where points are to be drawn; got None.*TensorPolynomialBasis",
        ),
        ({"basis": "legendre"}, TypeError, "basis must be a TensorPolynomialBasis; got type str"),
        ({"sampling": "sobol"}, ValueError, "sampling must be one of 'iid', 'dpp', 'volume'; got 'sobol'"),
        ({"n_samples": 0}, ValueError, "n_samples must be an integer of at least 1; got 0"),
        ({"n_samples": 9.0}, TypeError, r"n_samples must be an integer; got 9\.0"),
        (
            {"n_samples": 5, "sampling": "volume"},
            ValueError,
            "n_samples must be an integer of at least 6; got 5",
        ),
        ({"stability": 0.0}, ValueError, r"stability must be a finite number in \(0, 1\); got 0"),
        ({"stability": 1.0}, ValueError, r"stability must be a finite number in \(0, 1\); got 1"),
        ({"stability": "high"}, TypeError, "stability must be a number; got 'high'"),
        ({"max_trials": 0}, ValueError, "max_trials must be an integer of at least 1; got 0"),
        ({"max_trials": 1.5}, TypeError, "max_trials must be an integer"),
        ({"greedy": 1}, TypeError, "greedy must be True or False; got 1"),
        ({"random_state": -1}, ValueError, "random_state must be"),
        ({"random_state": "0"}, TypeError, "random_state must be"),
    ],
)
def test_parameters(parameters, error, match):
    estimator = OptimalWeightedLeastSquares(**{"basis": basis, **parameters})
    with pytest.raises(error, match=match):
        estimator.sample()
    with pytest.raises(error, match=match):
        estimator.fit_function(lambda X: X[:, 0])
    assert not [name for name in vars(estimator) if name.endswith("_")]


X = np.random.default_rng(1).uniform(-1, 1, (20, 2))
z = X[:, 0] - X[:, 1] ** 2


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((changed(X, np.nan), z), ValueError, "NaN"),
        ((changed(X, np.inf), z), ValueError, "inf"),
        ((X, changed(z, np.nan)), ValueError, "NaN"),
        ((X, changed(z, -np.inf)), ValueError, "inf"),
        ((X, z[:19]), ValueError, "inconsistent numbers of samples"),
        ((X[:, 0], z), ValueError, "Expected 2D array"),
        ((X[:0], z[:0]), ValueError, "0 sample"),
        (
            (X[:, [0, 1, 1]], z),
            ValueError,
            r"X must be of shape \(n, 2\), the dimensions of the basis; got shape \(20, 3\)",
        ),
        (
            (changed(X, 1.5), z),
            ValueError,
            r"X must be within the support of the basis, \[-1, 1\], in coordinate 0; got .*1\.5",
        ),
        (
            (changed(X, -7, 3), z),
            ValueError,
            r"support of the basis, \[-1, 1\], in coordinate 1; got points in \[-7, ",
        ),
        ((changed(X, 1 + 1e-14), z), ValueError, "Map the points to the support, or use basis=None"),
        ((X, z, np.ones(19)), ValueError, r"sample_weight must be of shape \(20,\).*; got shape \(19,\)"),
        ((X, z, -np.ones(20)), ValueError, r"sample_weight must be non-negative; got -1\.0"),
        ((X, z, np.zeros(20)), ValueError, "sample_weight must be positive somewhere; got only zeros"),
        ((X, z, changed(np.ones(20), np.nan)), ValueError, "sample_weight must be finite"),
        ((X, z, np.ones((20, 1))), ValueError, "sample_weight must be of shape"),
    ],
)
def test_data(arguments, error, match):
    estimator = OptimalWeightedLeastSquares(basis)
    with pytest.raises(error, match=match):
        estimator.fit(*arguments)
    assert set(vars(estimator)) == set(estimator.get_params())
    # A fitted one is what it was.
    estimator.fit(X, z)
    before = estimator.predict(X)
    with pytest.raises(error, match=match):
        estimator.fit(*arguments)
    np.testing.assert_array_equal(estimator.predict(X), before)


def test_message_names_rows_of_x_and_not_of_phi():
    # The user of the estimator has no matrix of that name.
    with pytest.raises(ValueError, match="sample_weight must be of shape") as raised:
        OptimalWeightedLeastSquares(basis).fit(X, z, np.ones(19))
    assert "Phi" not in str(raised.value)


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
def test_arrays_of_other_libraries(library):
    xp = pytest.importorskip(library)
    for points, values, match in (
        (X, z[:19], r"y must be of shape \(20,\) or \(20, k\).*got shape \(19,\)"),
        (changed(X, np.nan), z, "finite|NaN"),
        (X, changed(z, np.nan), "y must be finite"),
        (changed(X, 2.0), z, "within the support"),
    ):
        with pytest.raises(ValueError, match=match):
            OptimalWeightedLeastSquares(basis).fit(xp.asarray(points), xp.asarray(values))


@pytest.mark.parametrize(
    ("family", "low"), [("laguerre", "0"), ("chebyshev", "-1"), (("jacobi", 1.0, 1.0), "-1")]
)
def test_supports(family, low):
    bounded = TensorPolynomialBasis(family, 2)
    with pytest.raises(ValueError, match=rf"support of the basis, \[{low}, .*in coordinate 0"):
        OptimalWeightedLeastSquares(bounded).fit([[-1.01], [0.5], [0.7]], [0.0, 1.0, 2.0])
    OptimalWeightedLeastSquares(TensorPolynomialBasis("hermite", 2)).fit(
        [[-9.0], [0.5], [7.0]], [0.0, 1.0, 2.0]
    )


@pytest.mark.parametrize("method", ["predict", "conditional_moments"])
def test_not_fitted(method):
    estimator = OptimalWeightedLeastSquares(basis, random_state=0)
    arguments = (X,) if method == "predict" else ()
    with pytest.raises(NotFittedError):
        getattr(estimator, method)(*arguments)
    estimator.sample()  # points alone are no fit
    with pytest.raises(NotFittedError):
        getattr(estimator, method)(*arguments)


def test_prediction_in_other_dimensions():
    estimator = OptimalWeightedLeastSquares(basis).fit(X, z)
    with pytest.raises(ValueError, match=r"X has 1 features, but .* is expecting 2 features"):
        estimator.predict(X[:, :1])


def test_functions_that_fail():
    estimator = OptimalWeightedLeastSquares(basis, random_state=0).fit_function(lambda X: X[:, 0])
    before = vars(estimator).copy()

    def fail(X):
        raise RuntimeError("the solver diverged")

    with pytest.raises(RuntimeError, match="the solver diverged"):
        estimator.fit_function(fail)
    with pytest.raises(ValueError, match="NaN"):
        estimator.fit_function(lambda X: np.full(len(X), np.nan))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        estimator.fit_function(lambda X: X[1:, 0])
    with pytest.raises(TypeError, match="callable"):
        estimator.fit_function(3)
    assert vars(estimator).keys() == before.keys()
    assert estimator.X_ is before["X_"]
    assert estimator.coef_ is before["coef_"]


def test_nothing_else_is_said():
    # One warning at most, and it is about what was asked for.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        OptimalWeightedLeastSquares(basis).fit(X[:3], z[:3])
    assert [warning.category for warning in caught] == [UserWarning]
    assert "fewer points than basis functions, 3 and 6" in str(caught[0].message)
    assert caught[0].filename == __file__
