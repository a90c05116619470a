"""Wrong input: the exceptions of the library, with the value and what to do."""

import re

import numpy as np
import pytest

from spectralkit.recovery import (
    KroneckerSBL,
    kronecker_matvec,
    kronecker_omp,
    kronecker_posterior,
    kronecker_sbl,
)

rng = np.random.default_rng(0)
A, B = rng.standard_normal((3, 4)), rng.standard_normal((5, 2))
y, x = rng.standard_normal(15), rng.standard_normal(8)
gammas = [np.ones(4), np.ones(2)]
X, target = rng.standard_normal((20, 4)), rng.standard_normal(20)

# Name, constraint and value, then at most one remedy.
FORM = re.compile(r"^[\w'\[\] ]+ must (be|have) [^;]+; got .+\.( \S.*\.)?$", re.DOTALL)

FUNCTIONS = {
    "kronecker_matvec": lambda Y, factors: kronecker_matvec(factors, Y, adjoint=True),
    "kronecker_posterior": lambda Y, factors: kronecker_posterior(Y, factors, gammas, 0.1),
    "kronecker_sbl": kronecker_sbl,
    "kronecker_omp": lambda Y, factors: kronecker_omp(Y, factors, n_nonzero=1),
    "KroneckerSBL": lambda Y, factors: KroneckerSBL().fit(factors, Y),
}


def changed(array, value, index=0):
    array = array.copy()
    array.flat[index] = value
    return array


def check_raises(error, match, function, *arguments, **options):
    with pytest.raises(error, match=match) as caught:
        function(*arguments, **options)
    assert FORM.match(str(caught.value)), str(caught.value)


# Arrays


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("Y", "match"),
    [
        (y[:14], r"must be of shape \(15,\), \(15, L\) or \(3, 5\).*got shape \(14,\)"),
        (np.append(y, 0), r"must be of shape \(15,\), \(15, L\) or \(3, 5\).*got shape \(16,\)"),
        (y.reshape(5, 3), r"must be of shape .*got shape \(5, 3\)"),
        (y[None], r"must be of shape .*got shape \(1, 15\)"),
        (np.zeros((15, 2, 2)), r"must be of shape .*got shape \(15, 2, 2\)"),
        (1.0, r"must be an array; got shape \(\)"),
        (y[:0], r"must be non-empty; got shape \(0,\)"),
        (np.zeros((15, 0)), r"must be non-empty; got shape \(15, 0\)"),
    ],
)
def test_shapes_of_measurements(Y, match, function):
    check_raises(ValueError, f"^[XYy] {match}", FUNCTIONS[function], Y, [A, B])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("function", [name for name in FUNCTIONS if name != "kronecker_matvec"])
def test_measurements_that_are_not_finite(function, bad):
    for Y in (changed(y, bad), changed(y, bad).reshape(3, 5), changed(y[:, None], bad), changed(y + 0j, bad)):
        check_raises(ValueError, "^[Yy] must be finite; got NaN or infinity", FUNCTIONS[function], Y, [A, B])


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("index", [0, 1])
def test_factors_that_are_not_finite(index, bad, function):
    factors = [A, B]
    factors[index] = changed(factors[index], bad, 3)
    match = rf"(factors|dictionaries|X)\[{index}\] must be finite; got NaN or infinity"
    check_raises(ValueError, match, FUNCTIONS[function], y, factors)


@pytest.mark.parametrize("function", [name for name in FUNCTIONS if name != "KroneckerSBL"])
@pytest.mark.parametrize(
    ("factors", "match"),
    [
        ([A, B[:, 0]], r"\[1\] must be 2-dimensional; got shape \(5,\)"),
        ([A, B[None]], r"\[1\] must be 2-dimensional; got shape \(1, 5, 2\)"),
        ([A, B[:, :0]], r"\[1\] must be non-empty; got shape \(5, 0\)"),
        ([A[:0], B], r"\[0\] must be non-empty; got shape \(0, 4\)"),
    ],
)
def test_shapes_of_factors(factors, match, function):
    check_raises(ValueError, rf"^(factors|dictionaries|X){match}", FUNCTIONS[function], y, factors)


@pytest.mark.parametrize("function", [name for name in FUNCTIONS if name != "KroneckerSBL"])
@pytest.mark.parametrize(
    ("factors", "error", "match"),
    [
        ([], ValueError, "must be at least one matrix; got an empty sequence"),
        ((), ValueError, "must be at least one matrix; got an empty sequence"),
        (y, ValueError, r"must be a sequence of matrices; got shape \(15,\)"),
        (np.float64(3), ValueError, r"must be a sequence of matrices; got shape \(\)"),
        (3, TypeError, "must be a sequence of matrices; got type int"),
        (None, TypeError, "must be a sequence of matrices; got type NoneType"),
    ],
)
def test_sequences_of_factors(factors, error, match, function):
    check_raises(error, rf"^(factors|dictionaries) {match}", FUNCTIONS[function], y, factors)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("kind", ["object", "string", "longdouble", "masked"])
def test_dtypes(kind, function):
    if kind == "masked":
        wrong = np.ma.masked_array(y, y > 0), np.ma.masked_array(B, B > 0)
    elif kind == "string":
        wrong = np.full(15, "a"), np.full((5, 2), "a")
    else:
        wrong = y.astype(kind), B.astype(kind)
    for Y, factors in ((wrong[0], [A, B]), (y, [A, wrong[1]])):
        with pytest.raises(TypeError, match=r"^(X|Y|y|factors\[1\]|dictionaries\[1\]|X\[1\]) must"):
            FUNCTIONS[function](Y, factors)


def test_lists_with_empty_factors():
    for factors, index in (([A, B[:, :0]], 1), ([A[:0], B], 0)):
        check_raises(ValueError, rf"^X\[{index}\] must be non-empty", KroneckerSBL().fit, factors, y)


# Numbers


@pytest.mark.parametrize(
    ("noise_var", "error", "match"),
    [
        (0.0, ValueError, r"noise_var must be a finite number in \(0, inf\]; got 0\.0"),
        (-1.0, ValueError, "noise_var must be a finite number.*got -1"),
        (np.nan, ValueError, "noise_var must be a finite number.*got nan"),
        (np.inf, ValueError, "noise_var must be a finite number.*got inf"),
        ("0.1", TypeError, "noise_var must be a number; got '0.1'"),
        (True, TypeError, "noise_var must be a number; got True"),
        (1j, TypeError, "noise_var must be a number; got 1j"),
        ([0.1], TypeError, r"noise_var must be a number; got \[0\.1\]"),
    ],
)
def test_noise(noise_var, error, match):
    check_raises(error, match, kronecker_sbl, y, [A, B], noise_var=noise_var)
    check_raises(error, match, kronecker_posterior, y, [A, B], gammas, noise_var)
    check_raises(error, match, KroneckerSBL(noise_var=noise_var).fit, [A, B], y)


def test_no_noise_for_the_posterior():
    check_raises(
        TypeError, "noise_var must be a number; got None", kronecker_posterior, y, A, gammas[:1], None
    )


def test_noise_out_of_all_proportion():
    for scale, noise_var in ((1e-170, 1e300), (1e170, 1e-300)):
        match = "noise_var must be within"
        check_raises(ValueError, match, kronecker_posterior, scale * y, [A, B], gammas, noise_var)
        check_raises(ValueError, match, kronecker_sbl, scale * y, [A, B], noise_var=noise_var)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"method": "em"}, ValueError, "method must be one of 'svd', 'am', 'ksbl'; got 'em'"),
        ({"method": None}, ValueError, "method must be one of"),
        ({"max_iter": 0}, ValueError, "max_iter must be an integer of at least 1; got 0"),
        ({"max_iter": 1.5}, TypeError, "max_iter must be an integer; got 1.5"),
        ({"max_iter": None}, TypeError, "max_iter must be an integer; got None"),
        ({"tol": 0.0}, ValueError, r"tol must be a finite number in \(0, inf\]; got 0\.0"),
        ({"tol": -1e-4}, ValueError, "tol must be a finite number"),
        ({"tol": np.nan}, ValueError, "tol must be a finite number"),
        ({"tol": None}, TypeError, "tol must be a number; got None"),
        ({"prune": -0.1}, ValueError, r"prune\[0\] must be a finite number in \[0, 1\); got -0\.1"),
        ({"prune": 1.0}, ValueError, r"prune\[0\] must be a finite number in \[0, 1\); got 1\.0"),
        ({"prune": [0.1, 2.0]}, ValueError, r"prune\[1\] must be a finite number.*got 2\.0"),
        ({"prune": np.array([0.1, np.nan])}, ValueError, r"prune\[1\] must be a finite number.*got nan"),
        ({"prune": [0.1]}, ValueError, r"prune must be a number or 2 of them.*got \[0\.1\]"),
        ({"prune": [0.1] * 3}, ValueError, "prune must be a number or 2 of them"),
        ({"prune": []}, ValueError, "prune must be a number or 2 of them"),
        ({"prune": "all"}, (TypeError, ValueError), "prune must be a number or 2 of them.*got 'all'"),
        ({"prune": 1j}, TypeError, "prune must be a number or 2 of them"),
        ({"prune": ["a", "b"]}, TypeError, r"prune\[0\] must be a number; got 'a'"),
        ({"prune": True}, TypeError, r"prune(\[0\])? must be a number.*; got True"),
        ({"coupling": -0.5, "method": "am"}, ValueError, r"coupling\[0\] must be a finite number.*got -0\.5"),
        ({"coupling": [0.5, -1], "method": "am"}, ValueError, r"coupling\[1\] must be a finite number"),
        ({"coupling": np.inf, "method": "am"}, ValueError, r"coupling\[0\] must be a finite number"),
        ({"coupling": [np.nan, 0], "method": "am"}, ValueError, r"coupling\[0\] must be a finite number"),
        ({"coupling": [0.5] * 3, "method": "am"}, ValueError, "coupling must be a number or 2 of them"),
        ({"coupling": object(), "method": "am"}, TypeError, "coupling must be a number or 2 of them"),
        ({"coupling": 0.5}, ValueError, "coupling must be None or zeros with method='svd'.*method='am'"),
        ({"coupling": [0, 0.5]}, ValueError, "coupling must be None or zeros with method='svd'"),
    ],
)
def test_options(options, error, match):
    check_raises(error, match, kronecker_sbl, y, [A, B], **options)
    check_raises(error, match, KroneckerSBL(**options).fit, [A, B], y)


def test_options_are_checked_where_nothing_is_learned():
    """Measurements of zeros do not hide wrong options."""
    check_raises(ValueError, "coupling must be None or zeros", kronecker_sbl, 0 * y, [A, B], coupling=0.5)


@pytest.mark.parametrize("callback", [1, "print", True])
def test_callback(callback):
    match = "callback must be a callable or None; got type"
    check_raises(TypeError, match, kronecker_sbl, y, [A, B], callback=callback)


@pytest.mark.parametrize(
    ("wrong", "error", "match"),
    [
        ([np.ones(4)], ValueError, "gammas must be 2 vectors, one for each factor; got 1"),
        ([np.ones(4)] * 3, ValueError, "gammas must be 2 vectors, one for each factor; got 3"),
        ([np.ones(4), np.ones(4)], ValueError, r"gammas\[1\] must be of shape \(2,\).*got shape \(4,\)"),
        ([np.ones((4, 1)), np.ones(2)], ValueError, r"gammas\[0\] must be of shape \(4,\)"),
        ([np.ones(4), 1.0], ValueError, r"gammas\[1\] must be an array; got shape \(\)"),
        ([changed(np.ones(4), -1e-9), np.ones(2)], ValueError, r"gammas\[0\] must be finite and non-neg"),
        ([np.ones(4), changed(np.ones(2), np.nan)], ValueError, r"gammas\[1\] must be finite and non-neg"),
        ([np.ones(4), changed(np.ones(2), np.inf)], ValueError, r"gammas\[1\] must be finite and non-neg"),
        ([np.ones(4) + 0j, np.ones(2)], TypeError, r"gammas\[0\] must be real.*complex128"),
        (["a", "b"], TypeError, r"gammas\[0\] must"),
        (1.0, TypeError, "gammas must be"),
        (None, TypeError, "gammas must be"),
    ],
)
def test_gammas(wrong, error, match):
    check_raises(error, match, kronecker_posterior, y, [A, B], wrong, 0.1)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"n_nonzero": 0}, ValueError, r"n_nonzero\[0\] must be an integer between 1 and 4; got 0"),
        ({"n_nonzero": 3}, ValueError, r"n_nonzero\[1\] must be an integer between 1 and 2; got 3"),
        ({"n_nonzero": [5, 1]}, ValueError, r"n_nonzero\[0\] must be an integer between 1 and 4; got 5"),
        ({"n_nonzero": [1]}, ValueError, "n_nonzero must be one integer or 2 of them"),
        ({"n_nonzero": [1, 1, 1]}, ValueError, "n_nonzero must be one integer or 2 of them"),
        ({"n_nonzero": 1.0}, TypeError, "n_nonzero must be an integer or a sequence of them; got 1.0"),
        ({"n_nonzero": None}, TypeError, "n_nonzero must be an integer or a sequence of them; got None"),
        ({"n_nonzero": [1.0, 1]}, TypeError, r"n_nonzero\[0\] must be an integer; got 1\.0"),
        ({"n_nonzero": "ab"}, TypeError, "n_nonzero"),
        ({"n_nonzero": True}, TypeError, "n_nonzero"),
        ({"n_nonzero": 1, "tol": -1.0}, ValueError, r"tol must be a finite number in \[0, inf\]; got -1"),
        ({"n_nonzero": 1, "tol": np.nan}, ValueError, "tol must be a finite number"),
        ({"n_nonzero": 1, "tol": "a"}, TypeError, "tol must be a number; got 'a'"),
    ],
)
def test_greedy_options(options, error, match):
    check_raises(error, match, kronecker_omp, y, [A, B], **options)


@pytest.mark.parametrize(
    ("out", "error", "match"),
    [
        (np.empty(14), ValueError, r"out must be of shape \(15,\) and dtype float64; got shape \(14,\)"),
        (np.empty((15, 1)), ValueError, r"out must be of shape \(15,\)"),
        (np.empty(15, np.float32), ValueError, "out must be of shape .*got shape .* and dtype float32"),
        (np.empty(15, complex), ValueError, "out must be of shape .*and dtype complex128"),
        ([0.0] * 15, TypeError, "out must be a NumPy or CuPy array; got type list"),
    ],
)
def test_out(out, error, match):
    check_raises(error, match, kronecker_matvec, [A, B], x, out=out)


def test_out_that_is_read_only():
    out = np.empty(15)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        kronecker_matvec([A, B], x, out=out)


@pytest.mark.parametrize("adjoint", [1, None, "yes"])
def test_adjoint(adjoint):
    match = "adjoint must be True or False; got"
    check_raises(TypeError, match, kronecker_matvec, [A, B], x, adjoint=adjoint)


def test_everything_after_the_arrays_is_named():
    with pytest.raises(TypeError):
        kronecker_sbl(y, [A, B], "svd")
    with pytest.raises(TypeError):
        kronecker_omp(y, [A, B], 2)
    with pytest.raises(TypeError):
        kronecker_matvec([A, B], x, True)


# The estimator


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (((X + 0j), target), ValueError, "Complex data not supported"),
        ((X, target[:-1]), ValueError, r"inconsistent numbers of samples: \[20, 19\]"),
        ((X, np.ones((20, 2, 2))), ValueError, "Found array with dim 3"),
        ((X, None), ValueError, "requires y to be passed"),
        ((changed(X, np.nan), target), ValueError, "contains NaN"),
        ((X, changed(target, np.inf)), ValueError, "contains infinity"),
        (([], target), ValueError, "Expected 2D array, got 1D array"),
        ((X[0], target), ValueError, "Expected 2D array, got 1D array"),
    ],
)
def test_tables(arguments, error, match):
    with pytest.raises(error, match=match):
        KroneckerSBL().fit(*arguments)


def test_complex_targets_of_a_table():
    with pytest.raises(ValueError, match=r"(?i)complex"):
        KroneckerSBL().fit(X, target + 1j)


@pytest.mark.parametrize("flag", [1, "yes", None])
def test_flags_of_the_estimator(flag):
    match = "fit_intercept must be True or False"
    check_raises(TypeError, match, KroneckerSBL(fit_intercept=flag).fit, X, target)
    model = KroneckerSBL().fit(X, target)
    check_raises(TypeError, "return_std must be True or False", model.predict, X, return_std=flag)


def test_intercept_of_a_list():
    match = "fit_intercept must be False with a list of factors; got True"
    check_raises(ValueError, match, KroneckerSBL(fit_intercept=True).fit, [A, B], y)


def test_predictions():
    fitted = KroneckerSBL().fit(X, target)
    check_raises(TypeError, "X must be a table, as in fit; got type list", fitted.predict, [X, X])
    with pytest.raises(ValueError, match="X has 3 features, but KroneckerSBL is expecting 4"):
        fitted.predict(X[:, :3])
    with pytest.raises(ValueError, match="contains NaN"):
        fitted.predict(changed(X, np.nan))
    with pytest.raises(ValueError, match="Complex data not supported"):
        fitted.predict(X + 0j)
    fitted = KroneckerSBL().fit([A, B], y)
    check_raises(TypeError, "X must be a list of factors, as in fit; got type ndarray", fitted.predict, X)
    match = r"X must be factors with \(4, 2\) columns, as in fit; got \({}\)"
    for wrong, columns in (([A, A], "4, 4"), ([B, A], "2, 4"), ([A], "4,"), ([A, B, B], "4, 2, 2")):
        check_raises(ValueError, match.format(columns), fitted.predict, wrong)
    check_raises(ValueError, r"X\[1\] must be finite", fitted.predict, [A, changed(B, np.nan)])
    check_raises(ValueError, r"X\[1\] must be non-empty", fitted.predict, [A, B[:0]])
    with pytest.raises(ValueError, match="y must be of shape"):
        fitted.score([A, B], y.reshape(3, 5))
