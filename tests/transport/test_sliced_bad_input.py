"""Wrong input to the sliced functions: the exceptions of the contract, with the value and what to do."""

import numpy as np
import pytest

from spectralkit.transport import (
    distributional_sliced_wasserstein,
    max_sliced_wasserstein,
    random_directions,
    sliced_wasserstein,
    sliced_wasserstein_distance,
    sliced_wasserstein_gradient,
)

rng = np.random.default_rng(0)
X, Y = rng.random((5, 3)), rng.random((4, 3))
a, b = np.full(5, 0.2), np.full(4, 0.25)


def distributional(*arguments, **options):
    return distributional_sliced_wasserstein(*arguments, concentration=1.0, **options)


SLICED = [sliced_wasserstein, sliced_wasserstein_distance, sliced_wasserstein_gradient]
ALL = [*SLICED, max_sliced_wasserstein, distributional]


def changed(array, value, index=0):
    array = array.copy()
    array.flat[index] = value
    return array


@pytest.mark.parametrize("function", ALL)
@pytest.mark.parametrize(
    ("arguments", "options", "match"),
    [
        ((X, Y[:, :2]), {}, r"Y must be of shape \(m, 3\); got shape \(4, 2\)\. Both clouds"),
        ((X[0], Y), {}, r"X must be 2-dimensional; got shape \(3,\)\. One row a point"),
        ((X, Y[None]), {}, r"Y must be 2-dimensional; got shape \(1, 4, 3\)"),
        ((1.0, Y), {}, r"X must be 2-dimensional; got shape \(\)"),
        ((X[:0], Y), {}, r"X must be non-empty; got shape \(0, 3\)"),
        ((X, Y[:, :0]), {}, r"Y must be non-empty; got shape \(4, 0\)"),
        ((changed(X, np.nan), Y), {}, "finite; got NaN or infinity. Drop or impute"),
        ((X, changed(Y, np.inf, 7)), {}, "finite; got NaN or infinity"),
        ((X, changed(Y, -np.inf, -1)), {}, "finite; got NaN or infinity"),
        ((X, Y, changed(a, -0.1)), {}, r"a must be non-negative; got -0\.1"),
        ((X, Y, None, changed(b, -1e-20)), {}, "b must be non-negative; got -1e-20"),
        ((X, Y, changed(a, -0.1)), {"normalize": True}, "a must be non-negative"),
        ((X, Y, changed(a, np.nan)), {}, "a must be finite"),
        ((X, Y, None, changed(b, np.inf)), {}, "b must be finite"),
        ((X, Y, 0 * a), {"normalize": True}, "a must be of positive"),
        ((X, Y, 2 * a), {}, r"a must be of sum 1; got .*2.* normalize=True"),
        ((X, Y, None, b * (1 - 2e-6)), {}, "b must be of sum 1"),
        ((X, Y, a[:4]), {}, r"a must be .*got shape \(4,\)"),
        ((X, Y, None, b[:, None]), {}, r"b must be .*got shape \(4, 1\)"),
        ((X, Y, 1.0), {}, r"a must be .*got shape \(\)"),
        ((X, Y), {"p": 0.99}, r"p must be a finite number in \[1, inf\]; got 0\.99"),
        ((X, Y), {"p": np.nan}, "p must be"),
        ((X, Y), {"p": np.inf}, "p must be"),
        ((X, Y), {"n_projections": 0}, "n_projections must be an integer of at least 1; got 0"),
        ((X, Y), {"n_projections": -3}, "n_projections must be an integer of at least 1; got -3"),
        ((X, Y), {"rng": -1}, "rng must be"),
    ],
)
def test_values(function, arguments, options, match):
    with pytest.raises(ValueError, match=match):
        function(*arguments, **options)


@pytest.mark.parametrize("function", ALL)
@pytest.mark.parametrize(
    ("arguments", "options", "match"),
    [
        ((X + 1j, Y), {}, "X must be real; got dtype complex128"),
        ((X, Y.astype("complex64")), {}, "Y must be real; got dtype complex64"),
        ((X, Y, a + 0j), {}, "a must be real; got dtype complex128"),
        ((X.astype(object), Y), {}, "X must be of .*; got dtype object"),
        ((X, Y.astype("longdouble")), {}, "Y must be of .*; got dtype"),
        ((X, Y, a.astype(object)), {}, "a must be of .*; got dtype object"),
        ((X.astype("U8"), Y), {}, "X must be of"),
        ((X, Y), {"p": "2"}, "p must be a number; got '2'"),
        ((X, Y), {"p": None}, "p must be a number"),
        ((X, Y), {"n_projections": 10.0}, "n_projections must be an integer; got 10.0"),
        ((X, Y), {"n_projections": True}, "n_projections must be an integer"),
        ((X, Y), {"normalize": 1}, "normalize must be True or False; got 1"),
        ((X, Y), {"rng": "0"}, "rng must be"),
    ],
)
def test_types(function, arguments, options, match):
    with pytest.raises(TypeError, match=match):
        function(*arguments, **options)


@pytest.mark.parametrize("function", SLICED)
@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"estimator": "plain"}, "estimator must be one of 'auto', 'monte_carlo', .*; got 'plain'"),
        ({"estimator": None}, "estimator must be one of"),
        ({"directions": "sobol"}, "directions must be one of 'auto', 'iid', .*; got 'sobol'"),
        ({"directions": np.eye(2)}, r"directions must be of shape \(L, 3\); got shape \(2, 2\)"),
        ({"directions": np.eye(3)[0]}, r"directions must be of shape \(L, 3\); got shape \(3,\)"),
        ({"directions": np.empty((0, 3))}, "directions must be non-empty"),
        ({"directions": None}, "directions must be"),
        ({"directions": 2 * np.eye(3)}, r"directions must be unit vectors .* norm 2"),
        ({"directions": np.eye(3) * (1 + 1e-5)}, "directions must be unit vectors"),
        ({"directions": np.zeros((1, 3))}, "directions must be unit vectors"),
        ({"directions": changed(np.eye(3), np.nan, 4)}, "directions must be unit vectors"),
        ({"directions": changed(np.eye(3), np.inf, 4)}, "directions must be unit vectors"),
    ],
)
def test_estimator_and_directions(function, options, match):
    with pytest.raises(ValueError, match=match):
        function(X, Y, **options)


@pytest.mark.parametrize("function", SLICED)
@pytest.mark.parametrize("directions", [np.eye(3) * 1j, np.eye(3).astype(object)])
def test_types_of_directions(function, directions):
    with pytest.raises(TypeError, match="directions must be"):
        function(X, Y, directions=directions)


def test_a_bad_direction_is_found_among_good_ones():
    theta = random_directions(200, 3, rng=0)
    theta[137] *= 0.5
    with pytest.raises(ValueError, match=r"norm 0\.5"):
        sliced_wasserstein(X, Y, directions=theta)


@pytest.mark.parametrize("function", ALL)
def test_normalize(function):
    def figure(*arguments, **options):
        found = function(*arguments, rng=0, **options)
        return getattr(found, "distance", None) or np.asarray(found, dtype=object).flat[0]

    weights = np.arange(1.0, 6.0)
    assert figure(X, Y, weights, normalize=True) == pytest.approx(figure(X, Y, weights / 15), rel=1e-13)
    assert figure(X, Y, [2] * 5, normalize=True) == pytest.approx(figure(X, Y), rel=1e-13)
    nearly = weights / 15 * (1 + 5e-7)
    assert figure(X, Y, nearly) == pytest.approx(figure(X, Y, weights / 15), rel=1e-13)


@pytest.mark.parametrize("function", ALL)
def test_mixed_libraries(function):
    xp = pytest.importorskip("array_api_strict")
    x, y = xp.asarray(X), xp.asarray(Y)
    for arguments in ((x, Y), (X, y), (x, y, a), (X, Y, None, xp.asarray(b))):
        with pytest.raises(TypeError, match="one library on one device"):
            function(*arguments)


@pytest.mark.parametrize("function", ALL)
def test_input_is_not_modified(function):
    arrays = [array.copy() for array in (X, Y, changed(a, 0.0) / 0.8, b)]
    copies = [array.copy() for array in arrays]
    for scale in (1.0, 1e150):
        function(arrays[0] * scale, arrays[1], *arrays[2:], rng=0, n_projections=20)
    function(*arrays, rng=0, n_projections=20)
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(
    ("error", "match", "arguments", "options"),
    [
        (ValueError, "n must be an integer of at least 1; got 0", (0, 3), {}),
        (ValueError, "d must be an integer of at least 1; got 0", (3, 0), {}),
        (TypeError, "n must be an integer; got 2.0", (2.0, 3), {}),
        (TypeError, "d must be an integer", (2, "3"), {}),
        (
            ValueError,
            "kind must be one of 'iid', 'orthogonal', 'qmc'; got 'sobol'",
            (2, 3),
            {"kind": "sobol"},
        ),
        (ValueError, "kind must be one of", (2, 3), {"kind": "auto"}),
        (TypeError, "rng must be", (2, 3), {"rng": 0.5}),
    ],
)
def test_random_directions(error, match, arguments, options):
    with pytest.raises(error, match=match):
        random_directions(*arguments, **options)


@pytest.mark.parametrize("function", [max_sliced_wasserstein, distributional])
@pytest.mark.parametrize(
    ("error", "match", "options"),
    [
        (ValueError, "n_starts must be an integer of at least 1; got 0", {"n_starts": 0}),
        (ValueError, r"tol must be a finite number in \(0, inf\]; got 0.0", {"tol": 0.0}),
        (ValueError, "max_iter must be an integer of at least 1; got 0", {"max_iter": 0}),
        (TypeError, "n_starts must be an integer", {"n_starts": 1.5}),
        (TypeError, "tol must be a number", {"tol": "x"}),
        (TypeError, "max_iter must be an integer", {"max_iter": None}),
    ],
)
def test_ascents(function, error, match, options):
    with pytest.raises(error, match=match):
        function(X, Y, **options)


@pytest.mark.parametrize(
    ("error", "value"), [(ValueError, -1.0), (ValueError, np.nan), (ValueError, np.inf), (TypeError, "1")]
)
def test_concentration(error, value):
    with pytest.raises(error, match="concentration must be"):
        distributional_sliced_wasserstein(X, Y, concentration=value)
    with pytest.raises(TypeError, match="concentration"):
        distributional_sliced_wasserstein(X, Y)
