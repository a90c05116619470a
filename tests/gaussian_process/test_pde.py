"""Differential equations with known solutions: accuracy, prediction, invariances, warnings."""

import copy
import math
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from spectralkit.gaussian_process import AliasingWarning, SpectralMixturePDE
from tests.gaussian_process.reference import (
    Known,
    boundary,
    bump,
    chirp,
    cosine,
    exponential,
    polynomial,
    product,
    relative,
    runge,
    sine,
    total,
)

SEEDS = st.integers(0, 2**32 - 1)
ONE, ROUND = (0.0, 1.0), (0.0, 2.0 * math.pi)


def grid_of(interval, n, n_dims=1):
    return (np.linspace(*interval, n),) * n_dims


def solve(u, grid, operator="poisson", beta=None, **options):
    speed = {} if beta is None else {"beta": beta}
    source = getattr(u, operator)(grid, **speed)
    if u is wave:  # a sum of terms that cancel
        source = np.zeros_like(source)
    solver = SpectralMixturePDE(operator, **speed, **options)
    return solver.fit(grid, source, boundary(u, grid))


def error(solver, u, interval, n=300):
    points = grid_of(interval, n, u.n_dims)
    return relative(solver.predict(points), u(points))


single, sin_cos = Known((sine(100.0),)), Known((product(sine(6.0), cosine(100.0)),))
mixed = total(sine(1.0), sine(20.0, 0.1), cosine(100.0))
one = polynomial(1.0)
wave = Known((sine(1.0), cosine(200.0)), (cosine(1.0, -1.0), sine(200.0)))  # sin(x - 200 y)
added = product(sine(6.0), cosine(20.0))
# Name: solution, interval, points along each dimension, options, bound of the error, frequencies.
PUBLISHED = {
    "mix_sin": (
        Known((sine(1.0),), (sine(20.0, 0.1),), (sine(100.0, 0.05),)),
        *(ONE, 900, {}, 1e-12, [[1, 20, 100]]),
    ),
    "single_sin": (single, ROUND, 400, {}, 1e-10, [[100]]),
    "sin_cos": (sin_cos, ROUND, 400, {}, 1e-10, [[94, 106]]),
    "x_time_sinx": (Known((product(polynomial(0, 1), sine(200.0)),)), ROUND, 900, {}, 1e-9, [[200]]),
    "x2_add_sinx": (Known((sine(500.0),), (polynomial(-0.5, 2, -2),)), ONE, 400, {}, 1e-10, [[500]]),
    "allen_cahn-single_sin": (single, ROUND, 400, {"operator": "allen_cahn"}, 1e-9, [[100]]),
    "allen_cahn-sin_cos": (sin_cos, ROUND, 400, {"operator": "allen_cahn"}, 1e-9, [[94, 106]]),
    "poisson_2d-sin_sin": (Known((sine(100.0), sine(100.0))), ROUND, 400, {}, 1e-11, [[100], [100]]),
    "poisson_2d-sin_add_cos": (
        Known((added, one), (one, added)),
        *(ROUND, 200, {}, 1e-11, [[14, 26], [14, 26]]),
    ),
    "allen_cahn_2d-mix": (
        Known((mixed, mixed)),
        *(ONE, 200, {"operator": "allen_cahn"}, 1e-9, [[1, 20, 100], [1, 20, 100]]),
    ),
    "advection": (
        wave,
        *(ONE, 200, {"operator": "advection", "beta": 200.0}, 1e-11, [[1], [200]]),
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published(name):
    u, interval, n, options, bound, frequencies = PUBLISHED[name]
    solver = solve(u, grid_of(interval, n, u.n_dims), **options)
    assert error(solver, u, interval) <= bound
    assert solver.method_ == "esprit"
    assert len(solver.frequencies_) == u.n_dims
    for found, expected in zip(solver.frequencies_, frequencies, strict=True):
        assert found.shape == (len(expected),)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    # Polynomials and two functions for each line, all independent.
    assert solver.rank_ == solver.coef_.size
    per_line = 4 if name == "x_time_sinx" else 2
    assert solver.coef_.shape == tuple(3 + per_line * len(f) for f in frequencies)
    assert 0.0 <= solver.residual_norm_ <= 1e-11
    assert 0.0 <= solver.boundary_residual_ <= 1e-11
    if options.get("operator") == "allen_cahn":
        assert 1 <= solver.n_iter_ <= 10
    else:
        assert solver.n_iter_ == 1
    assert solver.noise_var_ == 0.0


def test_source_of_rounding_errors():
    """What is 0 up to rounding says nothing of the frequencies."""
    grid = grid_of(ONE, 50, 2)
    u = Known((sine(1.0), cosine(50.0)), (cosine(1.0, -1.0), sine(50.0)))
    source = u.advection(grid, 50.0)
    assert 0.0 < np.abs(source).max() < 1e-12
    solver = SpectralMixturePDE("advection", beta=50.0).fit(grid, source, boundary(u, grid))
    assert error(solver, u, ONE) <= 1e-11


@pytest.mark.parametrize(
    "u",
    [
        Known((bump(200.0, 0.37),)),
        Known((chirp(40.0, 60.0),)),
        Known((exponential(2.0),), (cosine(90.0, 0.05),)),
        Known((product(runge(5.0, 0.5), sine(50.0)),)),
    ],
    ids=["bump", "chirp", "exp and cos", "Runge times sine"],
)
@pytest.mark.parametrize("init", ["esprit", "frame"])
def test_without_lines(u, init):
    solver = solve(u, grid_of(ONE, 400), init=init)
    assert solver.method_ == "frame"
    assert error(solver, u, ONE) <= 1e-10
    assert solver.rank_ <= solver.coef_.size == 1 + 2 * len(solver.frequencies_[0])


def test_without_lines_or_separation():
    near = bump(20.0, 0.4), bump(20.0, 0.6)
    u = Known(near, (sine(30.0), cosine(12.0)), (cosine(30.0), sine(12.0)))
    solver = solve(u, grid_of(ONE, 120, 2))
    assert solver.method_ == "frame"
    assert error(solver, u, ONE) <= 1e-8


@pytest.mark.parametrize("operator", ["poisson", "allen_cahn"])
def test_three_dimensions(operator):
    u = Known((sine(20.0), cosine(11.0), sine(7.0)))
    grid = tuple(np.linspace(0.0, high, n) for high, n in ((1.0, 40), (2.0, 30), (3.0, 24)))
    solver = solve(u, grid, operator)
    points = tuple(np.linspace(x[0], x[-1], 31) for x in grid)
    assert relative(solver.predict(points), u(points)) <= (1e-11 if operator == "poisson" else 1e-9)
    np.testing.assert_allclose(np.concatenate(solver.frequencies_), [20.0, 11.0, 7.0], rtol=1e-9)


@pytest.mark.parametrize(
    "init", [[1.0, 20.0, 100.0], (100.0, 20.0, 1.0, 0.0), [np.array([1.0, 20.0, 100.0])]]
)
def test_given_frequencies(init):
    u, interval, *_ = PUBLISHED["mix_sin"]
    x = np.linspace(0.0, 1.0, 300) ** 1.2  # these need no uniform grid
    solver = solve(u, (x,), init=init)
    assert solver.method_ == "given"
    assert_array_equal(solver.frequencies_[0], [1.0, 20.0, 100.0])
    assert error(solver, u, interval) <= 1e-12


def test_given_frequencies_in_two_dimensions():
    u, grid = Known((sine(30.0), cosine(20.0))), grid_of(ONE, 60, 2)
    assert error(solve(u, grid, init=[[30.0], [20.0]]), u, ONE) <= 1e-12
    assert error(solve(u, grid, init=[20.0, 30.0]), u, ONE) <= 1e-12  # the same in both
    with pytest.warns(ConvergenceWarning):
        assert error(solve(u, grid, init=[[20.0], [30.0]]), u, ONE) > 1e-2


def test_uneven_frame():
    u = Known((bump(50.0, 0.4),), (cosine(30.0),))
    x = np.linspace(0.0, 1.0, 200) ** 1.1
    assert error(solve(u, (x,), init="frame"), u, ONE) <= 1e-10


def test_number_of_modes():
    u, grid = Known((chirp(20.0, 10.0),)), grid_of(ONE, 300)
    with pytest.warns(ConvergenceWarning):
        found = [error(solve(u, grid, init="frame", n_modes=k), u, ONE) for k in (9, 14, 30)]
    assert found[0] > 10.0 * found[1] > 100.0 * found[2]
    assert solve(u, grid, init="frame", n_modes=60).coef_.shape == (121,)
    v = Known((chirp(20.0, 10.0), cosine(10.0)))
    assert solve(v, grid_of(ONE, 80, 2), init="frame", n_modes=(20, 14)).coef_.shape == (41, 29)


def test_number_of_lines():
    u, grid = Known(*((sine(10.0 * k, 1.0 / k),) for k in range(1, 13))), grid_of(ONE, 400)
    assert len(solve(u, grid).frequencies_[0]) == 12
    assert solve(u, grid, n_components=4).method_ == "frame"  # too few for the source


# Prediction


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("name", ["mix_sin", "x_time_sinx", "x2_add_sinx", "allen_cahn-single_sin"])
def test_derivatives(name, order):
    u, interval, n, options, *_ = PUBLISHED[name]
    solver, (points,) = solve(u, grid_of(interval, n), **options), grid_of(interval, 301)
    expected = u((points,), (order,))
    for derivative in ((order,), [order], order, np.int64(order)):
        assert relative(solver.predict(points, derivative=derivative), expected) <= 1e-9


@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivatives_of_a_frame(order):
    u = Known((product(runge(5.0, 0.5), sine(50.0)),))
    solver, points = solve(u, grid_of(ONE, 400)), grid_of(ONE, 301)
    found = solver.predict(points, derivative=(order,))
    assert relative(found, u(points, (order,))) <= 1e-12 * 100.0**order


@pytest.mark.parametrize("orders", [(1, 0), (0, 2), (1, 1), (3, 2)])
def test_mixed_derivatives(orders):
    u = Known((sine(30.0), cosine(20.0)), (cosine(7.0), polynomial(1, 2, -1)))
    solver, points = solve(u, grid_of(ONE, 60, 2)), (np.linspace(0, 1, 20), np.linspace(0, 1, 17))
    expected = u(points, orders)
    assert relative(solver.predict(points, derivative=orders), expected) <= 1e-11
    columns = [axis.ravel() for axis in np.meshgrid(*points, indexing="ij")]
    assert relative(solver.predict(np.stack(columns, 1), derivative=orders), expected.ravel()) <= 1e-11


@pytest.mark.parametrize("n_dims", [1, 2, 3])
def test_points_are_those_of_the_grid(n_dims):
    u = Known((sine(9.0), cosine(5.0), sine(7.0))[:n_dims])
    solver = solve(u, grid_of(ONE, 24, n_dims))
    grid = tuple(np.linspace(0.0, 1.0, n) for n in (13, 8, 5))[:n_dims]
    columns = [axis.ravel() for axis in np.meshgrid(*grid, indexing="ij")]
    on_grid, points = solver.predict(grid), np.stack(columns, axis=1)
    assert on_grid.shape == tuple(map(len, grid))
    for same in (points, np.asfortranarray(points), points.tolist(), points[::-1][::-1]):
        found = solver.predict(same)
        assert found.shape == (on_grid.size,)
        np.testing.assert_allclose(found, on_grid.ravel(), rtol=0, atol=1e-14)
    assert relative(found, u.at(columns)) <= 1e-12
    assert solver.predict(np.zeros((0, n_dims))).shape == (0,)
    assert solver.predict(tuple(np.zeros(0) for _ in grid)).shape == (0,) * n_dims


def test_one_dimension():
    u, grid = Known((sine(9.0),)), grid_of(ONE, 50)
    solver, points = solve(u, grid), np.linspace(0.0, 1.0, 33)
    expected = solver.predict((points,))
    for same in (points, points[:, None], list(points), (list(points),)):
        found = solver.predict(same)
        assert found.shape == (33,)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-15)
    # A bare array is a grid of one dimension to `fit`.
    bare = SpectralMixturePDE().fit(grid[0], u.poisson(grid), boundary(u, grid))
    assert_array_equal(bare.predict(points), expected)


def test_many_points():
    """Points in blocks are the points one by one."""
    u = Known((sine(9.0), cosine(5.0)))
    solver = solve(u, grid_of(ONE, 60, 2), init="frame", n_modes=20)
    points = np.random.default_rng(0).uniform(size=(210_000, 2))
    assert relative(solver.predict(points), u.at(points.T)) <= 1e-9
    last = solver.predict(points)[-3:]
    np.testing.assert_allclose(last, solver.predict(points[-3:]), rtol=0, atol=1e-13)


def test_score():
    u, grid = Known((sine(9.0),)), grid_of(ONE, 50)
    solver, points = solve(u, grid), np.linspace(0.0, 1.0, 40)
    known = u((points,))
    assert -1e-12 <= solver.score((points,), known) <= 0.0
    assert solver.score(points, 2.0 * known) == pytest.approx(-0.5)
    assert solver.score(points[:, None], list(-known)) == pytest.approx(-2.0)
    assert solver.score(points, np.zeros(40)) == pytest.approx(-math.sqrt(np.mean(known**2)))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("init", ["esprit", "frame"])
def test_single_precision(init, dtype):
    """The precision of the source is that of the solution; what it lost is noise, and so reported."""
    u, (x,) = Known((sine(3.0),), (sine(40.0, 0.1),)), grid_of(ONE, 200)
    source, data = u.poisson((x,)).astype(dtype), boundary(u, (x,)).astype(dtype)
    noise = {"float32": 1e-7, "float16": 1e-3}[dtype] * float(np.abs(source).max())
    solver = SpectralMixturePDE(init=init, noise_var=noise**2).fit((x.astype("float32"),), source, data)
    bound = {"float32": 1e-4, "float16": 1e-2}[dtype]
    for points in ((x,), (x.astype("float32"),), x[:, None].astype("float32")):
        found = solver.predict(points)
        assert found.dtype == dtype
        assert relative(found.astype(float), u((x,))) <= bound
    assert solver.predict(x.astype("float32"), derivative=1).dtype == dtype


@pytest.mark.parametrize("n_dims", [1, 2])
def test_single_precision_as_it_is(n_dims):
    u, grid = Known((sine(9.0), cosine(40.0))[:n_dims]), grid_of(ONE, 100 if n_dims == 1 else 40, n_dims)
    given = [a.astype("float32") for a in (*grid, u.poisson(grid), boundary(u, grid))]
    solver = SpectralMixturePDE().fit(tuple(given[:n_dims]), *given[n_dims:])
    found = solver.predict(grid)
    assert found.dtype == np.float32
    assert relative(found, u(grid)) <= 1e-4


def test_layouts():
    """Whatever the strides, the flags and the containers, the same solution, and nothing modified."""
    u = Known((sine(30.0), cosine(20.0)))
    grid = np.linspace(0.0, 1.0, 50), np.linspace(0.0, 2.0, 70)
    source, data = u.poisson(grid), boundary(u, grid)
    expected = SpectralMixturePDE().fit(grid, source, data).predict(grid)

    def strided(a):
        wide = np.zeros(tuple(2 * n for n in a.shape), a.dtype)
        wide[(slice(None, None, 2),) * a.ndim] = a
        return wide[(slice(None, None, 2),) * a.ndim]

    def locked(a):
        a = a.copy()
        a.flags.writeable = False
        return a

    def reverse(a):
        return np.flip(np.flip(a).copy())

    def big_endian(a):
        return a.astype(">f8")

    for change in (strided, locked, reverse, np.asfortranarray, np.ndarray.tolist, big_endian):
        given = [change(a) for a in (*grid, source, data)]
        before = [np.array(a) for a in given]
        solver = SpectralMixturePDE().fit(tuple(given[:2]), *given[2:])
        np.testing.assert_allclose(solver.predict(tuple(given[:2])), expected, rtol=0, atol=1e-13)
        for a, b in zip(given, before, strict=True):
            assert_array_equal(a, b)
    found = SpectralMixturePDE().fit(list(grid), source, data).predict(grid)
    assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool])
def test_integers(dtype):
    """u'' = 1 on whole numbers."""
    x, data = np.arange(20), np.full(20, np.nan)
    data[[0, -1]] = 0.0
    solver = SpectralMixturePDE().fit((x,), np.ones(20, dtype), data)
    assert solver.predict((x,)).dtype == np.float64
    assert relative(solver.predict(x), 0.5 * x * (x - 19.0)) <= 1e-12


# Invariances


def random_sum(seed, n_dims, most=0.7):
    """A grid, and a sum of a few waves that it resolves."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(60, 200)) // n_dims
    count = int(rng.integers(1, min(4, 1 + n // 30) + 1))
    # In random order along each dimension, and apart: lines that are closer than their bins are not told.
    places = np.stack([rng.permutation(count) for _ in range(n_dims)], axis=1)
    frequencies = most * math.pi * (n - 1) / count * (places + rng.uniform(0.35, 0.65, places.shape))
    products = [
        tuple(sine(w, rng.uniform(0.5, 2.0), rng.uniform(0.0, 6.0)) for w in row) for row in frequencies
    ]
    return grid_of(ONE, n, n_dims), Known(*products)


@given(SEEDS)
@pytest.mark.parametrize("n_dims", [1, 2])
def test_random_sums_of_waves(n_dims, seed):
    grid, u = random_sum(seed, n_dims)
    solver = solve(u, grid)
    assert error(solver, u, ONE, 60) <= 1e-8
    found = solver.predict(grid)
    # The boundary is what it was said to be.
    for axis in range(n_dims):
        for side in (0, -1):
            given, got = np.take(u(grid), side, axis), np.take(found, side, axis)
            assert np.abs(got - given).max() <= 1e-9 * np.abs(u(grid)).max()


def well_posed(seed, n_dims=1):
    """A problem with a frame or with lines that are well apart, so that rounding stays rounding."""
    rng = np.random.default_rng(seed)
    grid = grid_of(ONE, 80 // n_dims, n_dims)
    waves = tuple(sine(rng.uniform(8.0, 30.0), 1.0, rng.uniform(0.0, 6.0)) for _ in range(n_dims))
    smooth = tuple(polynomial(*rng.standard_normal(3)) for _ in range(n_dims))
    return grid, Known(waves, smooth), rng


@given(SEEDS)
def test_shift_of_the_origin(seed):
    (x,), u, rng = well_posed(seed)
    shift = rng.uniform(-100.0, 100.0)
    source, data = u.poisson((x,)), boundary(u, (x,))
    shifted = SpectralMixturePDE().fit((x + shift,), source, data)
    assert relative(shifted.predict((x + shift,)), u((x,))) <= 1e-9


@given(SEEDS, st.floats(-6.0, 6.0))
@pytest.mark.parametrize("operator", ["poisson", "advection"])
def test_stretch_of_the_domain(operator, seed, exponent):
    n_dims, order = (1, 2) if operator == "poisson" else (2, 1)
    speed = {} if operator == "poisson" else {"beta": 3.0}
    grid, u, _ = well_posed(seed, n_dims)
    c = 10.0**exponent
    source, data = getattr(u, operator)(grid, **speed), boundary(u, grid)
    wide = tuple(c * x for x in grid)
    solver = SpectralMixturePDE(operator, **speed).fit(wide, source / c**order, data)
    assert relative(solver.predict(wide), u(grid)) <= 1e-9
    if len(solver.frequencies_[0]) and solver.method_ == "esprit":
        same = SpectralMixturePDE(operator, **speed).fit(grid, source, data)
        np.testing.assert_allclose(solver.frequencies_[0] * c, same.frequencies_[0], rtol=1e-6)


@given(SEEDS, st.floats(-12.0, 12.0), st.booleans())
@pytest.mark.parametrize("init", ["esprit", "frame"])
def test_scale(init, seed, exponent, is_negative):
    grid, u, _ = well_posed(seed)
    c = (-1.0 if is_negative else 1.0) * 10.0**exponent
    source, data = u.poisson(grid), boundary(u, grid)
    plain = SpectralMixturePDE(init=init).fit(grid, source, data)
    scaled = SpectralMixturePDE(init=init).fit(grid, c * source, c * data)
    assert relative(scaled.predict(grid) / c, plain.predict(grid)) <= 1e-10
    assert relative(scaled.coef_ / c, plain.coef_) <= 1e-3
    # Powers of two change no digit.
    exact = SpectralMixturePDE(init=init).fit(grid, 2.0**40 * source, 2.0**40 * data)
    assert_array_equal(exact.predict(grid), 2.0**40 * plain.predict(grid))


@pytest.mark.parametrize("c", [1e-290, 1e-170, 1e-150, 1e150, 1e170, 1e290])
def test_extreme_scales(c):
    grid, u, _ = well_posed(3)
    solver = SpectralMixturePDE().fit(grid, c * u.poisson(grid), c * boundary(u, grid))
    assert relative(solver.predict(grid) / c, u(grid)) <= 1e-10


@given(SEEDS)
def test_superposition(seed):
    grid, a, _ = well_posed(seed, 2)
    b = Known(tuple(sine(w, 0.5, 1.0) for w in np.random.default_rng(seed).uniform(60.0, 85.0, 2)))
    both = solve(a + b, grid).predict(grid)
    assert relative(both, solve(a, grid).predict(grid) + solve(b, grid).predict(grid)) <= 1e-8


@given(SEEDS)
@pytest.mark.parametrize("operator", ["poisson", "allen_cahn"])
@settings(max_examples=10)
def test_transposition(operator, seed):
    rng = np.random.default_rng(seed)
    u = Known(tuple(sine(w, 1.0, rng.uniform(0, 6.0)) for w in rng.uniform(5.0, 20.0, 2)))
    grid = np.linspace(0.0, 1.0, 50), np.linspace(0.0, 1.5, 60)
    source, data = getattr(u, operator)(grid), boundary(u, grid)
    plain = SpectralMixturePDE(operator).fit(grid, source, data)
    turned = SpectralMixturePDE(operator).fit(grid[::-1], source.T, data.T)
    assert relative(plain.predict(grid), u(grid)) <= 1e-8
    assert relative(turned.predict(grid[::-1]).T, u(grid)) <= 1e-8


@given(SEEDS)
def test_reflection(seed):
    (x,), u, _ = well_posed(seed)
    source, data = u.poisson((x,)), boundary(u, (x,))
    turned = SpectralMixturePDE().fit((-x[::-1],), source[::-1], data[::-1])
    assert relative(turned.predict((-x[::-1],))[::-1], u((x,))) <= 1e-9


@pytest.mark.parametrize("init", ["esprit", "frame", [3.0]])
@pytest.mark.parametrize(("operator", "n_dims"), [("poisson", 1), ("poisson", 2), ("advection", 2)])
def test_nothing(operator, n_dims, init):
    """No source and no data: exactly zero."""
    u, grid = Known((polynomial(0.0),) * n_dims), grid_of(ONE, 20, n_dims)
    speed = {"beta": 2.0} if operator == "advection" else {}
    solver = solve(u, grid, operator, init=init, **speed)
    assert not solver.predict(grid).any()
    assert not solver.predict(grid, derivative=(1,) * n_dims).any()
    assert solver.residual_norm_ == solver.boundary_residual_ == 0.0


def test_nothing_of_a_nonlinear_equation():
    u, grid = Known((polynomial(0.0),)), grid_of(ONE, 20)
    assert not solve(u, grid, "allen_cahn").predict(grid).any()


@pytest.mark.parametrize("n", [8, 12, 50])
@pytest.mark.parametrize("coefficients", [(2.0,), (1.0, -3.0), (0.0, 1.0, 2.0), (1.0, -2.0, 0.5, 4.0)])
@pytest.mark.parametrize("n_dims", [1, 2])
def test_polynomials(n_dims, coefficients, n):
    if (n_dims, n, len(coefficients)) == (2, 8, 4):
        pytest.skip("eight points do not tell the order of a cubic")
    u = Known((polynomial(*coefficients), polynomial(0.5, 1.0))[:n_dims])
    solver = solve(u, grid_of(ONE, n, n_dims))
    assert error(solver, u, ONE, 50) <= 1e-10
    assert all(len(f) == 0 for f in solver.frequencies_ if solver.method_ == "esprit")


@pytest.mark.parametrize(("n", "n_dims"), [(10, 1), (8, 2), (8, 3)])
def test_few_points(n, n_dims):
    u = Known((sine(5.0), cosine(4.0), sine(6.0))[:n_dims])
    assert error(solve(u, grid_of(ONE, n, n_dims)), u, ONE, 20) <= 1e-9


def test_refitting():
    (xa, a, _), (xb, b, _) = well_posed(1), well_posed(2, 2)
    solver = solve(b, xb)
    again = solver.fit(xa, a.poisson(xa), boundary(a, xa))
    fresh = solve(a, xa)
    assert again is solver
    assert_array_equal(solver.predict(xa), fresh.predict(xa))
    assert set(vars(solver)) == set(vars(fresh))
    # With deviations, and then without.
    evidence = SpectralMixturePDE(init="evidence").fit(xa, a.poisson(xa), boundary(a, xa))
    evidence.set_params(init="esprit").fit(xa, a.poisson(xa), boundary(a, xa))
    assert_array_equal(evidence.predict(xa), fresh.predict(xa))
    with pytest.raises(ValueError, match="return_std"):
        evidence.predict(xa, return_std=True)


@pytest.mark.parametrize("name", ["mix_sin", "allen_cahn-single_sin", "poisson_2d-sin_add_cos"])
def test_copies(name):
    u, interval, n, options, *_ = PUBLISHED[name]
    solver, points = solve(u, grid_of(interval, n, u.n_dims), **options), grid_of(interval, 50, u.n_dims)
    expected = solver.predict(points)
    for other in (pickle.loads(pickle.dumps(solver)), copy.deepcopy(solver)):
        assert_array_equal(other.predict(points), expected)
        assert other.get_params() == solver.get_params()
    unfitted = clone(solver)
    assert unfitted.get_params() == solver.get_params()
    assert not [name for name in vars(unfitted) if name.endswith("_")]
    assert pickle.loads(pickle.dumps(unfitted)).get_params() == solver.get_params()


def test_same_bits_again():
    u, grid = Known((sine(3.0), cosine(2.0)), (bump(9.0, 0.5), bump(9.0, 0.5))), grid_of(ONE, 40, 2)
    assert_array_equal(solve(u, grid).coef_, solve(u, grid).coef_)


# Warnings


@pytest.mark.parametrize("n_dims", [1, 2])
def test_aliasing(n_dims):
    n = 101
    nyquist = math.pi * (n - 1)
    for part, is_warned in ((0.7, False), (0.79, False), (0.81, True), (0.9, True)):
        u = Known((sine(part * nyquist), sine(20.0))[:n_dims])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            solver = solve(u, grid_of(ONE, n, n_dims))
        assert solver.method_ == "esprit"
        assert [w.category for w in caught] == ([AliasingWarning] if is_warned else [])
        if is_warned:
            assert "dimension 0: the frequency" in str(caught[0].message)
            assert caught[0].filename == __file__
    assert issubclass(AliasingWarning, UserWarning)


def test_image():
    """Beyond half the sampling frequency the image of a frequency is found, and warned of."""
    n = 101
    u = Known((sine(1.1 * math.pi * (n - 1)),))
    with pytest.warns(AliasingWarning) as caught:
        solver = solve(u, grid_of(ONE, n))
    assert not [w for w in caught if w.category is not AliasingWarning]
    assert solver.frequencies_[0] == pytest.approx([0.9 * math.pi * (n - 1)])


@pytest.mark.parametrize("n_dims", [1, 2])
@pytest.mark.parametrize(
    "x",
    [
        np.linspace(0.0, 1.0, 60) ** 4,
        np.concatenate([[0.0], np.geomspace(1e-2, 1.0, 59)]),
        np.concatenate([[0.0], np.geomspace(1e-4, 1.0, 59)]),
    ],
)
def test_graded_grid(x, n_dims):
    """Equations hold on the points, and the solution is another one."""
    u, grid = Known((sine(3.0), cosine(2.0))[:n_dims]), (x, np.linspace(0.0, 1.0, 30))[:n_dims]
    with pytest.warns(
        AliasingWarning, match=r"dimension 0: points up to 0\.[0-9]+ apart do not tell"
    ) as caught:
        solver = solve(u, grid, init="frame")
    assert caught[0].filename == __file__
    assert error(solver, u, ONE) > 1e-2 >= solver.residual_norm_


@pytest.mark.parametrize(
    "x",
    [
        np.linspace(0.0, 1.0, 60) ** 2,
        np.linspace(0.0, 1.0, 200) ** 3,
        np.concatenate([np.linspace(0.0, 0.4, 50), np.linspace(0.6, 1.0, 50)]),
        np.concatenate([[0.0], np.sort(np.random.default_rng(0).uniform(size=58)), [1.0]]),
        0.5 - 0.5 * np.cos(np.linspace(0.0, math.pi, 60)),
    ],
    ids=["square", "cube", "gap", "random", "Chebyshev"],
)
def test_uneven_grid_that_does(x):
    """And nothing is said."""
    u = Known((sine(3.0),))
    assert error(solve(u, (x,), init="frame"), u, ONE) <= 1e-5


def test_fewer_modes_on_a_graded_grid():
    u = Known((sine(3.0),))
    assert error(solve(u, (np.linspace(0.0, 1.0, 60) ** 4,), init="frame", n_modes=13), u, ONE) <= 1e-2


def noisy_problem(n=200, ratio=10.0, seed=0):
    rng = np.random.default_rng(seed)
    u, grid = Known((sine(20.0),), (sine(40.0, 0.25),)), grid_of(ONE, n)
    source = u.poisson(grid)
    std = float(np.std(source)) / ratio
    return u, grid, source + std * rng.standard_normal(n), boundary(u, grid), std


def caught_in_fit(solver, *data):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        solver.fit(*data)
    return caught


@pytest.mark.parametrize("init", ["esprit", "frame"])
def test_noise(init):
    u, grid, source, data, std = noisy_problem()
    caught = [
        w
        for w in caught_in_fit(SpectralMixturePDE(init=init), grid, source, data)
        if w.category is not AliasingWarning
    ]
    assert [w.category for w in caught] == [ConvergenceWarning]
    assert "did not converge: reached" in str(caught[0].message)
    assert "noise_var" in str(caught[0].message)
    # Said to be there it is no reason to warn.
    solver = SpectralMixturePDE(init=init, noise_var=std**2)
    assert not caught_in_fit(solver, grid, source, data)
    assert solver.noise_var_ == std**2
    assert relative(solver.predict(grid), u(grid)) <= 0.5


@pytest.mark.parametrize("seed", range(5))
def test_noise_of_known_size_is_not_fitted(seed):
    u, grid, source, data, std = noisy_problem(400, 100.0, seed)
    solver = SpectralMixturePDE(noise_var=std**2).fit(grid, source, data)
    assert solver.method_ == "esprit"
    np.testing.assert_allclose(solver.frequencies_[0], [20.0, 40.0], rtol=0.01)
    assert relative(solver.predict(grid), u(grid)) <= 0.05


@pytest.mark.parametrize("n_dims", [1, 2])
def test_not_smooth(n_dims):
    grid = grid_of(ONE, 60 if n_dims == 1 else 30, n_dims)
    source = np.sign(sum(np.meshgrid(*grid, indexing="ij")) - 0.7)
    data = boundary(Known((polynomial(0.0),) * n_dims), grid)
    solver = SpectralMixturePDE()
    caught = [w for w in caught_in_fit(solver, grid, source, data) if w.category is not AliasingWarning]
    assert [w.category for w in caught] == [ConvergenceWarning]
    assert max(solver.residual_norm_, solver.boundary_residual_) > 1e-5


def test_where_warnings_point_to():
    _, grid, source, data, _ = noisy_problem()
    (caught,) = caught_in_fit(SpectralMixturePDE(init="frame"), grid, source, data)
    assert caught.filename == __file__


def test_too_few_newton_steps():
    u, grid = Known((sine(8.0, 3.0), cosine(6.0))), grid_of(ONE, 40, 2)
    with pytest.warns(ConvergenceWarning, match="did not converge"):
        solver = solve(u, grid, "allen_cahn", init=[[8.0], [6.0]], max_newton=1)
    assert solver.n_iter_ == 1


def test_contradicting_data():
    """Advection with data on the outflow that its inflow does not lead to."""
    u, grid = Known((sine(5.0), cosine(5.0)), (cosine(5.0, -1.0), sine(5.0))), grid_of(ONE, 40, 2)
    data = boundary(u, grid)
    data[-1, 1:-1] += 1.0
    with pytest.warns(ConvergenceWarning, match="contradict"):
        solver = SpectralMixturePDE("advection", beta=1.0).fit(grid, u.advection(grid, 1.0), data)
    assert max(solver.residual_norm_, solver.boundary_residual_) > 1e-2
