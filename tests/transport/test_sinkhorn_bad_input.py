"""Wrong input to entropic transport: the exceptions of the contract, with the value and what to do."""

import re

import numpy as np
import pytest

from spectralkit.transport import sinkhorn, sinkhorn_divergence

n, m = 4, 5
rng = np.random.default_rng(0)
a, b, C = np.full(n, 1 / n), np.full(m, 1 / m), rng.random((n, m))
X, Y = rng.random((n, 2)), rng.random((m, 2))

# Name, constraint and value, then at most one remedy.
FORM = re.compile(r"^[\w' ]+ must (be|have) [^;]+; got .+\.( \S.*\.)?$", re.DOTALL)


def changed(array, value, index=0):
    array = array.copy()
    array.flat[index] = value
    return array


def check_raises(error, match, *arguments, **options):
    with pytest.raises(error, match=match) as caught:
        sinkhorn(*arguments, **options)
    assert FORM.match(str(caught.value)), str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((a[:3], b, C), r"a must be of shape \(4,\).*rows of C; got shape \(3,\)"),
        ((a, b[:3], C), r"b must be of shape \(5,\).*columns of C; got shape \(3,\)"),
        ((b, a, C), r"a must be of shape \(4,\)"),
        ((a[:, None], b, C), r"a must be 1-dimensional; got shape \(4, 1\)"),
        ((1.0, b, C), r"a must be 1-dimensional; got shape \(\)"),
        ((a, b, C[0]), r"C must be 2-dimensional; got shape \(5,\)"),
        ((a, b, C[None]), r"C must be 2-dimensional; got shape \(1, 4, 5\)"),
        ((None, None, np.empty((0, 5))), "C must be non-empty"),
        ((None, None, np.empty((5, 0))), "C must be non-empty"),
        (([], None, C), "a must be non-empty"),
        ((changed(a, -0.1), b, C), r"a must be non-negative; got -0\.1"),
        ((a, changed(b, -1e-20), C), "b must be non-negative; got -1e-20"),
        ((changed(a, np.nan), b, C), "a must be finite"),
        ((a, changed(b, np.inf), C), "b must be finite"),
        ((0 * a, 0 * b, C), "a must be of positive total mass"),
        ((a, 0 * b, C), "b must be of positive total mass"),
        ((None, None, changed(C, np.nan)), "C must be finite"),
        ((None, None, changed(C, np.inf)), "C must be finite; got .*large finite cost"),
        ((None, None, changed(C, -np.inf)), "C must be finite"),
        ((None, None, changed(C, -0.5)), r"C must be non-negative; got -0\.5\. Subtract C\.min\(\)"),
        ((None, None, -np.ones((n, m))), "C must be non-negative"),
    ],
)
@pytest.mark.parametrize("low_memory", [False, True])
def test_arrays(arguments, match, low_memory):
    check_raises(ValueError, match, *arguments, 0.1, low_memory=low_memory)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_costs_are_checked_where_the_weight_is_zero(bad):
    weights = np.array([0.0, 0.5, 0.25, 0.25])
    check_raises(ValueError, "C must be (finite|non-negative)", weights, None, changed(C, bad), 0.1)
    check_raises(ValueError, "C must be (finite|non-negative)", None, weights, changed(C, bad).T, 0.1)


def test_masses():
    match = r"a and b must have the same total mass; got 3 and 1\. Normalise .*a / a\.sum\(\)"
    check_raises(ValueError, match, 3 * a, b, C, 0.1)
    check_raises(ValueError, match, 3 * a, None, C, 0.1)
    check_raises(ValueError, "same total mass", a, b * (1 + 1e-7), C, 0.1)
    forgiven = sinkhorn(a, b * (1 + 1e-9), C, 0.1)
    assert forgiven.converged
    assert 0.5e-9 < forgiven.marginal_error < 1e-8
    check_raises(ValueError, "same total mass", a.astype("f4"), b.astype("f4") * np.float32(1.001), C, 0.1)
    assert sinkhorn(a.astype("f4"), b.astype("f4") * np.float32(1 + 1e-6), C, 0.1).converged


def test_weights_and_points_that_overflow():
    check_raises(ValueError, "a must be finite, as is its sum", np.full(n, 1e308), None, C, 0.1)
    huge = 1e200 * X
    check_raises(ValueError, "C must be finite", None, None, None, 0.1, X=huge, Y=Y)
    # Coordinates that are finite though their sum is not.
    result = sinkhorn(
        None, None, None, 1e299, X=np.full((n, 1), 9e307), Y=np.full((m, 1), 9e307), metric="cityblock"
    )
    assert result.cost == 0


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"reg": 0.0}, r"reg must be a finite number in .*; got 0\.0"),
        ({"reg": -1}, "reg must be a finite number"),
        ({"reg": np.nan}, "reg must be a finite number in .*got nan"),
        ({"reg": np.inf}, "reg must be a finite number in .*got inf"),
        ({"reg": 1e-17}, "reg must be a larger share of the range of the cost; got 1e-17.*exact_transport"),
        ({"tol": 0.0}, "tol must be a finite number"),
        ({"tol": -1e-9}, "tol must be a finite number"),
        ({"tol": np.nan}, "tol must be a finite number"),
        ({"max_iter": 0}, "max_iter must be an integer of at least 1; got 0"),
        ({"method": "lp"}, "method must be one of 'newton', 'sns', 'sinkhorn'; got 'lp'"),
        ({"method": None}, "method must be one of"),
        ({"n_sinkhorn": -1}, "n_sinkhorn must be an integer of at least 0; got -1"),
        ({"density": 0.0}, "density must be a finite number"),
        ({"density": 1.5}, "density must be a finite number"),
        ({"init": (a, b, a)}, "init must be a pair"),
        ({"init": np.zeros((2, 4))}, "init must be a pair"),
        ({"init": "fg"}, "init must be a pair"),
        ({"init": (b, b)}, r"init's f must be of shape \(4,\); got shape \(5,\)"),
        ({"init": (a, a)}, r"init's g must be of shape \(5,\); got shape \(4,\)"),
        ({"init": (a[:, None], b)}, "init's f must be of shape"),
        ({"init": (changed(a, np.nan), b)}, "init's f must be finite"),
        ({"init": (a, changed(b, -np.inf))}, "init's g must be finite; got .*zero weight"),
        ({"init": (a, changed(b, np.inf))}, "init's g must be finite"),
    ],
)
def test_options(options, match):
    check_raises(ValueError, match, a, b, C, **{"reg": 0.1, **options})


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"reg": True}, "reg must be a number; got True"),
        ({"reg": "0.1"}, "reg must be a number; got '0.1'"),
        ({"reg": None}, "reg must be a number; got None"),
        ({"reg": 1j}, "reg must be a number"),
        ({"reg": np.array([0.1])}, "reg must be a number"),
        ({"tol": "small"}, "tol must be a number"),
        ({"max_iter": 1.5}, "max_iter must be an integer"),
        ({"max_iter": True}, "max_iter must be an integer"),
        ({"low_memory": 1}, "low_memory must be True or False; got 1"),
        ({"n_sinkhorn": 2.0}, "n_sinkhorn must be an integer"),
        ({"density": "all"}, "density must be a number"),
        ({"init": (a + 0j, b)}, "init's f must be real"),
        ({"init": (a, b.astype(object))}, "init's g must be"),
        ({"init": (["x"] * n, b)}, "init's f must be"),
        ({"init": (None, b)}, "init's f must be"),
    ],
)
def test_types_of_options(options, match):
    check_raises(TypeError, match, a, b, C, **{"reg": 0.1, **options})


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize(
    ("convert", "match"),
    [
        (lambda array: array + 0j, "must be real; got dtype complex128"),
        (lambda array: array.astype(np.complex64), "must be real; got dtype complex64"),
        (lambda array: array.astype(object), "got dtype object"),
        (lambda array: array.astype(np.longdouble), "got dtype (float128|longdouble)"),
        (lambda array: array.astype(str), "got dtype str"),
    ],
)
def test_dtypes(position, convert, match):
    arguments = [a, b, C]
    arguments[position] = convert(arguments[position])
    check_raises(TypeError, f"{'abC'[position]} must be .*{match.removeprefix('must be ')}", *arguments, 0.1)


def test_mixed_libraries():
    xs = pytest.importorskip("array_api_strict")
    strict = [xs.asarray(array) for array in (a, b, C)]
    for position in range(3):
        arguments = [a, b, C]
        arguments[position] = strict[position]
        check_raises(TypeError, "one library.*array_api_strict", *arguments, 0.1)
    check_raises(TypeError, "init's", *strict, 0.1, init=(a, b))
    check_raises(TypeError, "init's", a, b, C, 0.1, init=(strict[0], strict[1]))
    check_raises(TypeError, "one library", None, None, None, 0.1, X=X, Y=xs.asarray(Y))
    for bad in (strict[2] - 1.0, strict[2] * xs.nan):
        check_raises(ValueError, "C must be (non-negative|finite)", None, None, bad, 0.1)
    with pytest.raises(TypeError, match="one library"):
        sinkhorn_divergence(X, xs.asarray(Y), reg=0.1)


@pytest.mark.parametrize("low_memory", [False, True])
@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "C must be a cost matrix, or None with both X and Y"),
        ({"X": X}, "(C|X|Y) must be "),
        ({"Y": Y}, "(C|X|Y) must be "),
        ({"C": C, "X": X, "Y": Y}, "C must be None where X and Y are given"),
        ({"C": C, "X": X}, "C must be None"),
        ({"X": X, "Y": Y[:, :1]}, r"Y must be of shape \(m, 2\); got shape \(5, 1\)"),
        ({"X": X[0], "Y": Y}, "X must be 2-dimensional"),
        ({"X": X, "Y": Y[:0]}, "Y must be non-empty"),
        ({"X": changed(X, np.nan), "Y": Y}, "X must be finite"),
        ({"X": X, "Y": changed(Y, np.inf)}, "Y must be finite"),
        ({"X": X, "Y": Y, "metric": "cosine"}, "metric must be one of 'sqeuclidean', .*; got 'cosine'"),
        ({"X": X, "Y": Y, "metric": None}, "metric must be one of"),
        ({"X": X, "Y": Y, "metric": lambda X, Y: np.ones((2, 2))}, r"metric must be .*\(2, 2\)"),
        ({"X": X, "Y": Y, "metric": lambda X, Y: 1.0}, "metric must be"),
        ({"X": X, "Y": Y, "metric": lambda X, Y: X[:, :1] - Y[:, 0] - 9}, "C must be non-negative"),
        ({"X": X, "Y": Y, "metric": lambda X, Y: np.full((len(X), len(Y)), np.nan)}, "C must be finite"),
    ],
)
def test_costs_from_points(options, match, low_memory):
    options = {"C": None, **options}
    check_raises(ValueError, match, None, None, options.pop("C"), 0.1, low_memory=low_memory, **options)


@pytest.mark.parametrize("low_memory", [False, True])
def test_complex_points(low_memory):
    for options in ({"X": X + 0j, "Y": Y}, {"X": X, "Y": Y + 0j}):
        check_raises(TypeError, "must be real", None, None, None, 0.1, low_memory=low_memory, **options)

    def complex_cost(X, Y):
        return (X[:, :1] - Y[:, 0]) * 1j

    options = {"X": X, "Y": Y, "metric": complex_cost}
    check_raises(TypeError, "metric must be", None, None, None, 0.1, low_memory=low_memory, **options)


def test_shapes_of_weights_name_the_points():
    check_raises(ValueError, r"a must be .*the rows of X", a[:2], None, None, 0.1, X=X, Y=Y)
    check_raises(ValueError, r"b must be .*the rows of Y", None, b[:2], None, 0.1, X=X, Y=Y)


def test_an_error_of_the_callback_comes_through():
    def callback(info):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        sinkhorn(a, b, C, 0.01, callback=callback)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "match"),
    [
        ((X, Y), {"reg": 0}, ValueError, "reg must be a finite number"),
        ((X, Y), {"reg": "x"}, TypeError, "reg must be a number"),
        ((X, Y[:, :1]), {"reg": 0.1}, ValueError, r"Y must be of shape \(m, 2\)"),
        ((X, Y, 2 * a), {"reg": 0.1}, ValueError, "same total mass"),
        ((X, Y, a, -b), {"reg": 0.1}, ValueError, "b must be non-negative"),
        ((X, Y), {"reg": 0.1, "metric": "cosine"}, ValueError, "metric must be one of"),
        ((X, Y), {"reg": 0.1, "method": "lp"}, ValueError, "method must be one of"),
        ((X, Y), {"reg": 0.1, "tol": 0}, ValueError, "tol must be"),
        ((X + 0j, Y), {"reg": 0.1}, TypeError, "X must be real"),
        ((None, Y), {"reg": 0.1}, ValueError, "X must be"),
        ((X, None), {"reg": 0.1}, ValueError, "Y must be"),
    ],
)
def test_divergence(arguments, options, error, match):
    with pytest.raises(error, match=match):
        sinkhorn_divergence(*arguments, **options)
