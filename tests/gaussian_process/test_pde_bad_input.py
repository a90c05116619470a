"""Wrong input to `SpectralMixturePDE`: the exceptions, and that nothing is left of them."""

import copy
import warnings

import array_api_strict
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError

from spectralkit.gaussian_process import AliasingWarning, SpectralMixturePDE
from tests.gaussian_process.reference import Known, boundary, cosine, relative, sine

u1, u2 = Known((sine(9.0),)), Known((sine(9.0), cosine(5.0)))
grid1, grid2 = (np.linspace(0.0, 1.0, 60),), (np.linspace(0.0, 1.0, 20), np.linspace(0.0, 2.0, 30))
(x,), source1, source2 = grid1, u1.poisson(grid1), u2.poisson(grid2)
boundary1, boundary2 = boundary(u1, grid1), boundary(u2, grid2)


def changed(array, value, at=3):
    array = array.copy()
    array.flat[at] = value
    return array


def solver(**options):
    return SpectralMixturePDE(**options).fit(grid1, source1, boundary1)


@pytest.mark.parametrize(
    ("grid", "error", "match"),
    [
        ((x[::-1],), ValueError, "grid must be finite and increasing"),
        ((changed(x, x[4]),), ValueError, "grid must be finite and increasing"),
        ((np.zeros(60),), ValueError, "grid must be finite and increasing"),
        ((changed(x, np.nan),), ValueError, "grid must be finite"),
        ((changed(x, np.inf, -1),), ValueError, "grid must be finite"),
        (
            (x[:, None],),
            ValueError,
            r"grid must be .*one-dimensional.*; got shape \(60, 1\)",
        ),
        ((x + 0j,), ValueError, "grid must be real; got dtype complex128"),
        ((x.astype(str),), TypeError, "grid must be of"),
        ((x.astype(object),), TypeError, "grid must be of"),
        ((np.ma.array(x),), TypeError, "grid must be an array without a mask"),
        (
            (array_api_strict.asarray(x),),
            TypeError,
            "grid must be a NumPy array; got an array of array_api_strict",
        ),
        (None, TypeError, "grid must be"),
        ({"x": x}, TypeError, "grid must be"),
        ((x, x), ValueError, r"source must be of shape \(60, 60\), as the grid; got shape \(60,\)"),
        ((), ValueError, "source must be of shape"),
        (list(x), ValueError, "grid must be a tuple of one-dimensional"),
        ((0.0, 1.0), ValueError, "grid must be"),
    ],
)
def test_grid(grid, error, match):
    with pytest.raises(error, match=match):
        SpectralMixturePDE().fit(grid, source1, boundary1)


def test_too_few_points():
    match = r"grid must be .* of at least 8 points; got shape \(7,\) in dimension 0"
    with pytest.raises(ValueError, match=match):
        SpectralMixturePDE().fit((x[:7],), source1[:7], boundary1[:7])
    with pytest.raises(ValueError, match="in dimension 1"):
        SpectralMixturePDE().fit((x, x[:7]), np.ones((60, 7)), np.ones((60, 7)))


def test_not_uniform():
    grid = (x**1.2,)
    source, data = u1.poisson(grid), boundary(u1, grid)
    match = 'grid must be uniform for init="esprit"; .*Use init="frame"'
    with pytest.raises(ValueError, match=match):
        SpectralMixturePDE().fit(grid, source, data)
    found = SpectralMixturePDE(init="frame").fit(grid, source, data)
    assert relative(found.predict(grid), u1(grid)) <= 1e-9
    # Rounding is not uneven, a part in a million is.
    for grid in ((x + 1e6,), (x.astype("float32"),), (3.7 * x - 1e-3,)):
        SpectralMixturePDE().fit(grid, np.zeros(60), 0.0 * boundary1)
    with pytest.raises(ValueError, match="uniform"):
        SpectralMixturePDE().fit((changed(x, x[3] + 1e-6 / 59),), source1, boundary1)


@pytest.mark.parametrize("name", ["source", "boundary"])
@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda a: a[:-1], ValueError, r"of shape \(60,\), as the grid; got shape \(59,\)"),
        (lambda a: a[:, None], ValueError, r"got shape \(60, 1\)"),
        (lambda a: a[0], ValueError, r"got shape \(\)"),
        (lambda a: changed(a, np.inf, 0), ValueError, "finite"),
        (lambda a: changed(a, -np.inf, -1), ValueError, "finite"),
        (lambda a: a + 0j, ValueError, "real; got dtype complex128"),
        (lambda a: a.astype(str), TypeError, "got dtype str"),
        (lambda a: "sin", TypeError, "got dtype str"),
        (lambda a: a.astype(object), TypeError, "got dtype object"),
        (lambda a: a.astype("longdouble"), TypeError, "of a real or complex floating"),
        (lambda a: np.ma.masked_invalid(a), TypeError, "without a mask"),
        (lambda a: array_api_strict.asarray(a), TypeError, "a NumPy array; got an array of array_api_strict"),
        (lambda a: [[1.0], [1.0, 2.0]], ValueError, "rows of different lengths"),
    ],
)
def test_arrays(name, change, error, match):
    given = {"source": source1, "boundary": boundary1}
    with pytest.raises(error, match=f"{name} must be .*{match}"):
        SpectralMixturePDE().fit(grid1, **(given | {name: change(given[name])}))


@pytest.mark.parametrize("name", ["grid", "source", "boundary"])
def test_torch(name):
    torch = pytest.importorskip("torch")
    given = {"grid": x, "source": source1, "boundary": boundary1}
    given[name] = torch.asarray(given[name])
    with pytest.raises(TypeError, match=f"{name} must be a NumPy array; got an array of torch"):
        SpectralMixturePDE().fit(**given)


def test_missing_source():
    for value in (np.nan, np.inf):
        with pytest.raises(ValueError, match="source must be finite; got NaN or infinity"):
            SpectralMixturePDE().fit(grid1, changed(source1, value), boundary1)
    with pytest.raises(TypeError, match="source must be"):
        SpectralMixturePDE().fit(grid1, None, boundary1)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        (
            {"operator": "heat"},
            ValueError,
            "operator must be one of 'poisson', 'allen_cahn', 'advection'",
        ),
        ({"beta": 1.0}, ValueError, r'beta must be None unless operator="advection"; got 1\.0'),
        ({"operator": "allen_cahn", "beta": 0.0}, ValueError, "beta must be None unless"),
        ({"spectrum": "flat"}, ValueError, "spectrum must be one of 'gaussian', 'student_t'; got 'flat'"),
        ({"init": "fft"}, ValueError, "init must be one of 'esprit', 'frame', 'evidence'; got 'fft'"),
        ({"init": None}, (TypeError, ValueError), "init must be"),
        ({"init": {}}, (TypeError, ValueError), "init must be"),
        ({"init": ["a"]}, (TypeError, ValueError), "init must be"),
        ({"init": [-1.0]}, ValueError, "init must be .*angular frequencies of at least 0"),
        ({"init": [1.0, np.nan]}, ValueError, "init must be"),
        ({"init": [1.0 + 2.0j]}, (TypeError, ValueError), "init must be"),
        ({"init": [[1.0], [2.0]]}, ValueError, "init must be frequencies for each of 1 dimensions"),
        ({"n_components": 0}, ValueError, "n_components must be an integer of at least 1; got 0"),
        ({"n_components": 2.5}, TypeError, r"n_components must be an integer; got 2\.5"),
        ({"max_newton": 0}, ValueError, "max_newton must be"),
        ({"max_iter": -1}, ValueError, "max_iter must be"),
        ({"tol": -1e-9}, ValueError, "tol must be"),
        ({"tol": 1.0}, ValueError, "tol must be"),
        ({"tol": None}, TypeError, "tol must be a number"),
        ({"noise_var": -1e-9}, ValueError, "noise_var must be"),
        ({"noise_var": np.nan}, ValueError, "noise_var must be"),
        ({"noise_var": np.inf}, ValueError, "noise_var must be"),
        ({"noise_var": "little"}, TypeError, "noise_var must be a number"),
        (
            {"boundary_type": "robin"},
            ValueError,
            "boundary_type must be one of 'dirichlet', 'neumann'",
        ),
        ({"boundary_type": ("dirichlet",) * 2}, ValueError, "boundary_type must be .* of 1 dimensions"),
        ({"boundary_type": [1]}, ValueError, "boundary_type must be"),
        ({"boundary_type": None}, (TypeError, ValueError), "boundary_type must be"),
        ({"boundary_type": 3}, (TypeError, ValueError), "boundary_type must be"),
        ({"n_modes": 0}, ValueError, "n_modes must be an integer between 1 and 22; got 0"),
        ({"n_modes": -3}, ValueError, "n_modes must be"),
        (
            {"n_modes": 23},
            ValueError,
            "n_modes must be an integer between 1 and 22; got 23",
        ),
        ({"n_modes": (3, 4)}, ValueError, "n_modes must be one number, or one for each of 1 dimensions"),
        ({"n_modes": 2.7}, TypeError, "n_modes must be an integer"),
        ({"n_modes": True}, TypeError, "n_modes must be an integer"),
        ({"n_modes": "all"}, (TypeError, ValueError), "n_modes must be"),
        ({"n_modes": [None]}, (TypeError, ValueError), "n_modes must be"),
    ],
)
def test_parameters(options, error, match):
    if "n_modes" in options:
        options = options | {"init": "frame"}
    with pytest.raises(error, match=match):
        solver(**options)


@pytest.mark.parametrize(
    ("beta", "error"),
    [
        (None, ValueError),
        ("fast", TypeError),
        (np.nan, ValueError),
        (np.inf, ValueError),
        ([1.0], TypeError),
    ],
)
def test_beta(beta, error):
    with pytest.raises(error, match=r"beta must be a .*number.*speed along the first dimension"):
        SpectralMixturePDE("advection", beta=beta).fit(grid2, source2, boundary2)


@pytest.mark.parametrize("n_dims", [1, 3])
def test_dimensions_of_advection(n_dims):
    grid, data = (np.linspace(0.0, 1.0, 8),) * n_dims, np.ones((8,) * n_dims)
    with pytest.raises(ValueError, match=f"grid must be of 2 dimensions .*; got {n_dims} dim"):
        SpectralMixturePDE("advection", beta=1.0).fit(grid, data, data)


def test_constructor_only_stores():
    bad = SpectralMixturePDE("heat", init=3, beta="a", tol=None, n_modes="b", noise_var=-1)
    assert (bad.operator, bad.init, bad.beta, bad.tol, bad.noise_var) == ("heat", 3, "a", None, -1)
    with pytest.raises(TypeError, match="positional"):
        SpectralMixturePDE("poisson", "gaussian")


# Prediction


@pytest.mark.parametrize(
    ("points", "match"),
    [
        ((np.array([0.5, 1.1]),), r"points must be inside \[0, 1\] in dimension 0; got 1\.1"),
        (np.array([-0.1]), r"points must be inside \[0, 1\] in dimension 0; got -0\.1"),
        (np.array([np.nan]), "points must be inside .*; got nan"),
        ((np.array([np.inf]),), "points must be inside .*; got inf"),
        (
            np.ones((3, 2)),
            r"points must be a tuple of 1 arrays, or of shape \(n, 1\); got shape \(3, 2\)",
        ),
        (np.ones((3, 1, 1)), r"got shape \(3, 1, 1\)"),
        (0.5, r"got shape \(\)"),
        ((x, x), "points must be a tuple of 1 arrays; got 2"),
        ((), "points must be a tuple of 1 arrays; got 0"),
        ((x[:, None],), "points must be real and one-dimensional along each dimension; got shape"),
        (x + 0j, "points must be real"),
        (x > 0.5, "points must be real"),
    ],
)
def test_points(points, match):
    fitted = solver()
    with pytest.raises(ValueError, match=match):
        fitted.predict(points)
    with pytest.raises(ValueError, match=match):
        fitted.score(points, np.ones(3))


@pytest.mark.parametrize("foreign", [np.ma.masked_array(x, x > 0.5), array_api_strict.asarray(x)])
@pytest.mark.parametrize("is_grid", [True, False])
def test_points_of_other_libraries(is_grid, foreign):
    with pytest.raises(TypeError, match="points must be"):
        solver().predict((foreign,) if is_grid else foreign)


def test_points_of_two_dimensions():
    fitted = SpectralMixturePDE().fit(grid2, source2, boundary2)
    with pytest.raises(ValueError, match=r"points must be .* of shape \(n, 2\); got shape \(7,\)"):
        fitted.predict(np.zeros(7))
    with pytest.raises(ValueError, match=r"inside \[0, 2\] in dimension 1; got 2\.5"):
        fitted.predict(np.array([[0.5, 2.5]]))
    with pytest.raises(ValueError, match="points must be a tuple of 2 arrays; got 1"):
        fitted.predict(grid1)


@pytest.mark.parametrize(
    ("derivative", "error", "match"),
    [
        ((-1,), ValueError, "derivative must be an integer of at least 0; got -1"),
        (-1, ValueError, "derivative must be"),
        ((1, 0), ValueError, r"derivative must be 1 orders, one for each dimension; got \(1, 0\)"),
        ((), ValueError, "derivative must be 1 orders"),
        ((1.5,), TypeError, r"derivative must be an integer; got 1\.5"),
        ((True,), TypeError, "derivative must be an integer; got True"),
        ("x", TypeError, "derivative must be"),
    ],
)
def test_derivative(derivative, error, match):
    with pytest.raises(error, match=match):
        solver().predict(x, derivative=derivative)


@pytest.mark.parametrize("init", ["esprit", "frame", [9.0]])
def test_deviations_without_evidence(init):
    fitted = solver(init=init)
    with pytest.raises(ValueError, match='return_std must be False unless fitted with init="evidence"'):
        fitted.predict(x, return_std=True)
    for value in (1, "yes", None):
        with pytest.raises(TypeError, match="return_std must be True or False"):
            fitted.predict(x, return_std=value)


@pytest.mark.parametrize(
    ("u", "error"),
    [
        (np.ones(59), ValueError),
        (np.ones((60, 1)), ValueError),
        (np.full(60, np.nan), ValueError),
        (np.full(60, np.inf), ValueError),
        (np.ones(60) + 0j, (TypeError, ValueError)),
        ("u", (TypeError, ValueError)),
    ],
)
def test_known_values(u, error):
    with pytest.raises(error, match="u must be"):
        solver().score(x, u)


def test_not_fitted():
    for call in (lambda s: s.predict(x), lambda s: s.score(x, x)):
        with pytest.raises(NotFittedError):
            call(SpectralMixturePDE())


# A failed call leaves no trace


def failures():
    yield {}, (grid1, source1[:-1], boundary1), ValueError
    yield {}, (grid1, changed(source1, np.nan), boundary1), ValueError
    yield {}, (grid1, source1, None), ValueError
    yield {"operator": "heat"}, (grid1, source1, boundary1), ValueError
    yield {"operator": "advection"}, (grid1, source1, boundary1), ValueError
    yield {"init": "frame", "n_modes": 1000}, (grid2, source2, boundary2), ValueError
    yield {"init": "evidence"}, (grid2, source2, changed(boundary2, np.nan, 3)), ValueError
    late = Known((sine(0.9 * np.pi * 59),))
    yield {}, (grid1, late.poisson(grid1), boundary(late, grid1)), AliasingWarning


@pytest.mark.parametrize("before", ["esprit", "evidence", None])
def test_failed_fit(before):
    for options, data, error in failures():
        fitted = SpectralMixturePDE()
        if before is not None:
            fitted.set_params(init=before).fit(grid1, source1, boundary1)
        fitted.set_params(**({"init": "esprit"} | options))
        state = copy.deepcopy(vars(fitted))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(error):
                fitted.fit(*data)
        assert set(vars(fitted)) == set(state)
        for name in state:
            if isinstance(state[name], np.ndarray):
                assert_array_equal(getattr(fitted, name), state[name])
        if before is not None:
            expected = copy.deepcopy(fitted)
            vars(expected).update(state)
            assert_array_equal(fitted.predict(x), expected.predict(x))
            assert fitted.method_ == before
            assert relative(fitted.predict(x), u1(grid1)) <= 1e-4


def test_input_is_left_alone():
    """Also by the fit that fails."""
    data = [x.copy(), changed(source1, np.nan), boundary1.copy()]
    before = copy.deepcopy(data)
    with pytest.raises(ValueError, match="source"):
        SpectralMixturePDE().fit((data[0],), *data[1:])
    for a, b in zip(data, before, strict=True):
        assert_array_equal(a, b)
