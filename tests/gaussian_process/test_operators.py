"""Boundary conditions of every kind, advection, and operators of users."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import LinAlgWarning

from spectralkit.gaussian_process import SpectralMixturePDE
from tests.gaussian_process.reference import (
    Known,
    boundary,
    bump,
    cosine,
    exponential,
    polynomial,
    product,
    relative,
    sine,
)

TURN = 2.0 * np.pi
grid1 = (np.linspace(0.0, 1.0, 120),)
grid2 = np.linspace(0.0, 1.0, 50), np.linspace(-1.0, 1.0, 60)
wave1 = Known((sine(30.0),), (polynomial(1.0, 2.0, -3.0),))
wave2 = Known((sine(20.0, 1.0, 0.4), cosine(11.0)), (polynomial(1.0, 2.0), sine(5.0, 1.0, 1.0)))
# Of period 1 and 2.
periodic1 = Known((sine(5 * TURN, 1.0, 0.3),), (cosine(3 * TURN, 0.5),))
periodic2 = Known((sine(3 * TURN), cosine(2 * np.pi)), (cosine(TURN, 0.5), sine(4 * np.pi)))

# Of no slope at the faces.
flat1, flat2 = Known((cosine(9 * np.pi),)), Known((cosine(6 * np.pi), cosine(TURN)))


def fit(u, grid, operator="poisson", kinds="dirichlet", faces=None, **options):
    speed = {"beta": options["beta"]} if "beta" in options else {}
    solver = SpectralMixturePDE(operator, boundary_type=kinds, **options)
    return solver.fit(grid, getattr(u, operator)(grid, **speed), boundary(u, grid, kinds, faces))


class Terms:
    def __init__(self, *terms):
        self._terms = terms

    def terms(self, n_dims):
        assert isinstance(n_dims, int)
        return self._terms


class Screened:
    """Σ ∂²u - 3 u, which no kind of boundary conditions leaves undetermined."""

    def terms(self, n_dims):
        second = [(1.0, tuple(2 * (a == b) for b in range(n_dims))) for a in range(n_dims)]
        return [*second, (-3.0, (0,) * n_dims)]


# Kinds of boundary conditions


@pytest.mark.parametrize("init", ["esprit", "frame"])
@pytest.mark.parametrize(
    "kinds", ["dirichlet", "neumann", ("neumann", "dirichlet"), ("dirichlet", "neumann")]
)
def test_kinds_in_two_dimensions(kinds, init):
    source, data = wave2.laplacian(grid2) - 3.0 * wave2(grid2), boundary(wave2, grid2, kinds)
    solver = SpectralMixturePDE(Screened(), init=init, boundary_type=kinds).fit(grid2, source, data)
    assert relative(solver.predict(grid2), wave2(grid2)) <= (1e-10 if init == "esprit" else 1e-5)


@pytest.mark.parametrize(("u", "grid"), [(flat1, grid1), (flat2, grid2)])
def test_no_flux(u, grid):
    """Derivatives of 0 are data like others."""
    data = boundary(Known((polynomial(0.0),) * u.n_dims), grid, "neumann")
    source = u.laplacian(grid) - 3.0 * u(grid)
    solver = SpectralMixturePDE(Screened(), boundary_type="neumann").fit(grid, source, data)
    assert relative(solver.predict(grid), u(grid)) <= 1e-10
    assert solver.boundary_residual_ <= 1e-10


def test_outward():
    """Derivatives are outward: u = x has -1 at the low face and 1 at the high one."""
    (x,), data = grid1, np.full(120, np.nan)
    data[0], data[-1] = -1.0, 1.0

    solver = SpectralMixturePDE(Screened(), boundary_type="neumann").fit(grid1, -3.0 * x, data)
    assert relative(solver.predict(grid1), x) <= 1e-12
    data = np.full((50, 60), np.nan)
    data[:, [0, -1]] = wave2(grid2)[:, [0, -1]]
    slope = wave2(grid2, (1, 0))
    data[0, 1:-1], data[-1, 1:-1] = -slope[0, 1:-1], slope[-1, 1:-1]
    solver = SpectralMixturePDE(boundary_type=["neumann", "dirichlet"])
    solver.fit(grid2, wave2.poisson(grid2), data)
    assert relative(solver.predict(grid2), wave2(grid2)) <= 1e-10
    found = solver.predict(grid2, derivative=(1, 0))
    assert relative(found[[0, -1]], slope[[0, -1]]) <= 1e-9


def test_edges_belong_to_the_face_with_values():
    kinds = ("neumann", "dirichlet")
    data = boundary(wave2, grid2, kinds)
    assert np.isfinite(data[0, 0])
    data[0, 1:-1] = -wave2(grid2, (1, 0))[0, 1:-1]
    expected = fit(wave2, grid2, kinds=kinds).predict(grid2)
    solver = SpectralMixturePDE(boundary_type=kinds).fit(grid2, wave2.poisson(grid2), data)
    assert relative(solver.predict(grid2), expected) <= 1e-12


@pytest.mark.parametrize(
    ("kinds", "operator"),
    [
        (("periodic", "dirichlet"), "poisson"),
        (("dirichlet", "periodic"), "poisson"),
        (("periodic", "dirichlet"), "allen_cahn"),
        (("periodic", "neumann"), "allen_cahn"),
    ],
)
def test_periodic_and_other(kinds, operator):
    solver = fit(periodic2, grid2, operator, kinds)
    assert relative(solver.predict(grid2), periodic2(grid2)) <= 1e-9
    axis = kinds.index("periodic")
    for order in (0, 1):
        ends = [axis_points[[0, -1]] if a == axis else axis_points for a, axis_points in enumerate(grid2)]
        orders = tuple(order * (a == axis) for a in range(2))
        low, high = np.moveaxis(solver.predict(tuple(ends), derivative=orders), axis, 0)
        assert np.abs(low - high).max() <= 1e-9 * np.abs(low).max()


@pytest.mark.parametrize("init", ["esprit", "frame"])
@pytest.mark.parametrize(("u", "grid"), [(periodic1, grid1), (periodic2, grid2)])
def test_all_periodic(u, grid, init):
    source = u.laplacian(grid) - 3.0 * u(grid)
    solver = SpectralMixturePDE(Screened(), init=init, boundary_type="periodic").fit(grid, source)
    assert relative(solver.predict(grid), u(grid)) <= 1e-7
    solver.fit(grid, source, np.full(source.shape, np.nan))
    assert relative(solver.predict(grid), u(grid)) <= 1e-7


@pytest.mark.parametrize(("u", "grid"), [(periodic1, grid1), (periodic2, grid2)])
def test_allen_cahn_all_periodic(u, grid):
    solver = fit(u, grid, "allen_cahn", "periodic")
    assert relative(solver.predict(grid), u(grid)) <= 1e-8


@given(st.integers(0, 2**32 - 1))
def test_derivatives_at_both_ends(seed):
    """u'' - k² u with outward derivatives, at random frequencies."""
    rng = np.random.default_rng(seed)
    k, frequency = rng.uniform(0.5, 5.0), rng.uniform(5.0, 200.0)
    u = Known((sine(frequency, 1.0, rng.uniform(0.0, 6.0)),))

    solver = SpectralMixturePDE(Terms((1.0, (2,)), (-k * k, (0,))), boundary_type="neumann")
    solver.fit(grid1, u.laplacian(grid1) - k * k * u(grid1), boundary(u, grid1, "neumann"))
    assert relative(solver.predict(grid1), u(grid1)) <= 1e-8


# Advection


@pytest.mark.parametrize("init", ["esprit", "frame"])
@pytest.mark.parametrize("beta", [7.0, -7.0, 0.3, 0.0])
@pytest.mark.parametrize("faces", ["all", "inflow", "outflow"])
def test_advection(faces, beta, init):
    u = Known((sine(8.0), cosine(5.0)), (polynomial(0.0, 1.0), sine(9.0)))
    low = beta >= 0.0
    inflow = [(0, 0 if low else 1), (1, 0)] if beta else [(1, 0)]
    given = {"all": None, "inflow": inflow, "outflow": [(a, 1 - s) for a, s in inflow]}[faces]
    solver = fit(u, grid2, "advection", faces=given, beta=beta, init=init)
    assert relative(solver.predict(grid2), u(grid2)) <= (1e-10 if init == "esprit" else 1e-7)


@pytest.mark.parametrize("beta", [15.0, -15.0])
def test_advection_without_source(beta):
    """f(x - β y) from two faces only."""
    u = Known((sine(4.0), cosine(4.0 * beta)), (cosine(4.0, -1.0), sine(4.0 * beta)))
    side = 0 if beta > 0.0 else 1
    data = boundary(u, grid2, faces=[(0, side), (1, 0)])
    solver = SpectralMixturePDE("advection", beta=beta).fit(grid2, np.zeros((50, 60)), data)
    assert relative(solver.predict(grid2), u(grid2)) <= 1e-10
    for found, expected in zip(solver.frequencies_, (4.0, 60.0), strict=True):
        np.testing.assert_allclose(found, [expected], rtol=1e-8)


def test_periodic_advection():
    u = Known((sine(2 * TURN), cosine(11.0)))
    solver = fit(u, grid2, "advection", ("periodic", "dirichlet"), [(1, 0)], beta=3.0)
    assert relative(solver.predict(grid2), u(grid2)) <= 1e-10


# Missing data

NAMES = {
    (0, 0): "the low face of dimension 0",
    (0, 1): "the high face of dimension 0",
    (1, 0): "the low face of dimension 1",
    (1, 1): "the high face of dimension 1",
}


@pytest.mark.parametrize("is_edge_given", [True, False])
@pytest.mark.parametrize("face", NAMES)
def test_missing_face(face, is_edge_given):
    data = boundary(wave2, grid2)
    axis, side = face
    inner = slice(1, -1) if is_edge_given else slice(None)
    np.moveaxis(data, axis, 0)[-side, inner] = np.nan
    with pytest.raises(ValueError, match=rf"must be given on {NAMES[face]}; got NaN there\. Give"):
        SpectralMixturePDE().fit(grid2, wave2.poisson(grid2), data)


@pytest.mark.parametrize(
    ("faces", "match"),
    [
        ([], "the low and the high face of dimension 0, and on the low and the high face of dimension 1;"),
        ([(0, 0), (0, 1)], "the low and the high face of dimension 1;"),
        ([(0, 0), (1, 1)], "the high face of dimension 0, and on the low face of dimension 1;"),
    ],
)
def test_missing_faces(faces, match):
    with pytest.raises(ValueError, match="boundary must be given on .*" + match):
        fit(wave2, grid2, faces=faces)


@pytest.mark.parametrize("data", [None, np.full(120, np.nan)])
def test_no_boundary(data):
    match = "boundary must be given on the low and the high face of dimension 0; got NaN there"
    with pytest.raises(ValueError, match=match):
        SpectralMixturePDE().fit(grid1, wave1.poisson(grid1), data)


@pytest.mark.parametrize(
    ("beta", "faces", "match"),
    [
        (2.0, [(0, 0)], "the low or the high face of dimension 1"),
        (2.0, [(1, 0)], "the low or the high face of dimension 0"),
        (2.0, [(0, 0), (1, 1)], "the low face of dimension 0 and the low face of dimension 1"),
        (-2.0, [(0, 0), (1, 0)], "the low face of dimension 0 and the high face of dimension 1"),
        (0.0, [(0, 0), (0, 1)], "faces? of dimension 1;"),
    ],
)
def test_missing_inflow(beta, faces, match):
    with pytest.raises(ValueError, match="boundary must be given on .*" + match):
        fit(wave2, grid2, "advection", faces=faces, beta=beta)


@pytest.mark.parametrize("kinds", ["neumann", "periodic", ("neumann", "periodic")])
def test_constant_left_open(kinds):
    with pytest.raises(ValueError, match=r"boundary must be given as values \(dirichlet\) on some face"):
        fit(periodic2, grid2, kinds=kinds)


def test_numbers_inside():
    u = wave2(grid2)
    one = boundary(wave2, grid2)
    one[20, 30] = u[20, 30]
    for data in (u, one, np.zeros((50, 60), dtype=int)):
        with pytest.raises(ValueError, match=r"must be NaN inside the box.*; got numbers inside"):
            SpectralMixturePDE().fit(grid2, wave2.poisson(grid2), data)
    data = boundary(periodic2, grid2, "dirichlet")
    with pytest.raises(ValueError, match="boundary must be NaN inside"):  # a periodic face is inside
        SpectralMixturePDE(boundary_type="periodic").fit(grid2, periodic2.poisson(grid2), data)


@pytest.mark.parametrize("face", NAMES)
def test_part_of_a_face(face):
    data = boundary(wave2, grid2)
    axis, side = face
    line = np.moveaxis(data, axis, 0)[-side]
    line[10:13] = np.nan
    match = rf"on all of {NAMES[face]}, or NaN on all of it; got 3 of {len(line)} values not finite"
    with pytest.raises(ValueError, match=match):
        SpectralMixturePDE().fit(grid2, wave2.poisson(grid2), data)


# Operators of users


@pytest.mark.parametrize("k", [3.0, 20.0, 55.5])
@pytest.mark.parametrize("init", ["esprit", "frame"])
def test_helmholtz(init, k):
    u = Known((product(polynomial(1.0, -1.0), sine(40.0)),), (exponential(1.0),))
    operator = Terms((1, (2,)), (k * k, (0,)))
    source = u.laplacian(grid1) + k * k * u(grid1)
    solver = SpectralMixturePDE(operator, init=init).fit(grid1, source, boundary(u, grid1))
    assert relative(solver.predict(grid1), u(grid1)) <= 1e-8


def test_helmholtz_in_two_dimensions():
    operator = Terms((1.0, (2, 0)), (1.0, (0, 2)), (70.0, (0, 0)))
    source = wave2.laplacian(grid2) + 70.0 * wave2(grid2)
    solver = SpectralMixturePDE(operator).fit(grid2, source, boundary(wave2, grid2))
    assert relative(solver.predict(grid2), wave2(grid2)) <= 1e-9


def test_homogeneous_helmholtz():
    """No source: the solution is a line that only the boundary tells, and a frame holds it."""
    k = 20.0
    u = Known((sine(k, 1.0, 0.5),))
    solver = SpectralMixturePDE(Terms((1.0, (2,)), (k * k, (0,))))
    solver.fit(grid1, np.zeros(120), boundary(u, grid1))
    assert relative(solver.predict(grid1), u(grid1)) <= 1e-8


@pytest.mark.parametrize("u", [Known((sine(30.0),)), Known((bump(20.0, 0.4),))])
@pytest.mark.parametrize("as_arrays", [False, True])
def test_variable_coefficients(as_arrays, u):
    """(1 + x²) u'' + x u'."""
    (x,) = grid1
    if as_arrays:
        operator = Terms((1.0 + x * x, (2,)), (x, (1,)))
    else:
        operator = Terms((lambda x: 1.0 + x * x, (2,)), (lambda x: x, (1,)))
    source = (1.0 + x * x) * u(grid1, (2,)) + x * u(grid1, (1,))
    solver = SpectralMixturePDE(operator).fit(grid1, source, boundary(u, grid1))
    assert relative(solver.predict(grid1), u(grid1)) <= 1e-9


def test_variable_coefficients_in_two_dimensions():
    terms = (lambda x, y: 1.0 + x * y * y, (2, 0)), (lambda x, y: np.exp(y), (0, 1)), (1.0, (0, 2))
    operator = Terms(*terms)
    X, Y = np.meshgrid(*grid2, indexing="ij")
    second = (1.0 + X * Y * Y) * wave2(grid2, (2, 0)) + wave2(grid2, (0, 2))
    source = second + np.exp(Y) * wave2(grid2, (0, 1))
    solver = SpectralMixturePDE(operator, init="frame").fit(grid2, source, boundary(wave2, grid2))
    assert relative(solver.predict(grid2), wave2(grid2)) <= 1e-8


def test_heat():
    """u_t - u_xx from data at the start and on the sides, none at the end."""
    u = Known((exponential(-2.0), sine(9.0)), (polynomial(1.0, 2.0), polynomial(0.5, 1.0)))
    operator = Terms((1.0, (1, 0)), (-1.0, (0, 2)))
    source = u(grid2, (1, 0)) - u(grid2, (0, 2))
    data = boundary(u, grid2, faces=[(0, 0), (1, 0), (1, 1)])
    solver = SpectralMixturePDE(operator).fit(grid2, source, data)
    assert relative(solver.predict(grid2), u(grid2)) <= 1e-8
    with pytest.raises(ValueError, match=r"the low or the high face of dimension 0"):
        SpectralMixturePDE(operator).fit(grid2, source, boundary(u, grid2, faces=[(1, 0), (1, 1)]))


def test_beam():
    """Of a fourth derivative one value at each end leaves two constants open."""
    u = Known((sine(30.0),))
    source = u(grid1, (4,))
    with pytest.raises(ValueError, match=r"orders up to 2 except in periodic dimensions.*got order 4"):
        SpectralMixturePDE(Terms((1.0, (4,)))).fit(grid1, source, boundary(u, grid1))


class Bratu(Terms):
    """u'' - exp(u)."""

    def __init__(self, sign=-1.0):
        super().__init__((1.0, (2,)))
        self.sign = sign

    def nonlinear(self, u):
        return self.sign * np.exp(u)

    def nonlinear_derivative(self, u):
        return self.sign * np.exp(u)


@pytest.mark.parametrize("init", ["esprit", "frame"])
@pytest.mark.parametrize("u", [Known((sine(30.0),)), Known((bump(20.0, 0.4),))])
def test_exponential_nonlinearity(u, init):
    source = u.laplacian(grid1) - np.exp(u(grid1))
    solver = SpectralMixturePDE(Bratu(), init=init).fit(grid1, source, boundary(u, grid1))
    assert relative(solver.predict(grid1), u(grid1)) <= 1e-8
    assert 2 <= solver.n_iter_ <= 10


def test_bratu():
    """u'' = -exp(u), u(0) = u(1) = 0, whose lower solution is known."""
    c = 1.5171645990507543  # c = √2 cosh(c / 4), for a factor of 1
    (x,), data = grid1, np.full(120, np.nan)
    data[[0, -1]] = 0.0
    solver = SpectralMixturePDE(Bratu(1.0)).fit(grid1, np.zeros(120), data)
    expected = -2.0 * np.log(np.cosh((x - 0.5) * c / 2.0) / np.cosh(c / 4.0))
    assert relative(solver.predict(grid1), expected) <= 1e-8


def test_wrong_derivative_of_the_nonlinear_term_is_slow_not_wrong():
    class Rough(Bratu):
        def nonlinear_derivative(self, u):
            return 0.5 * super().nonlinear_derivative(u)

    u = Known((sine(10.0, 0.5),))
    source = u.laplacian(grid1) - np.exp(u(grid1))
    solver = SpectralMixturePDE(Rough(), init="frame", max_newton=30)
    solver.fit(grid1, source, boundary(u, grid1))
    exact = SpectralMixturePDE(Bratu(), init="frame").fit(grid1, source, boundary(u, grid1))
    assert relative(solver.predict(grid1), u(grid1)) <= 1e-8
    assert solver.n_iter_ > exact.n_iter_


class OnlyNonlinear(Terms):
    def nonlinear(self, u):
        return u


class Returning(Terms):
    def __init__(self, value):
        super().__init__((1.0, (2,)))
        self.value = value

    def nonlinear(self, u):
        return self.value(u)

    def nonlinear_derivative(self, u):
        return np.ones_like(u)


PROTOCOL = "operator must be a name or an object with terms"


@pytest.mark.parametrize(
    ("operator", "error", "match"),
    [
        (None, TypeError, PROTOCOL),
        (3, TypeError, PROTOCOL),
        (object(), TypeError, PROTOCOL),
        (Terms, TypeError, PROTOCOL),
        (lambda u: u, TypeError, PROTOCOL),
        (OnlyNonlinear((1.0, (2,))), TypeError, "both methods nonlinear and nonlinear_derivative"),
        (Terms(), ValueError, r"operator\.terms must be with some derivative"),
        (Terms((1.0, (0,))), ValueError, r"operator\.terms must be with some derivative"),
        (Terms((1.0, (2, 0))), ValueError, r"operator\.terms must be with 1 orders in each term"),
        (
            Terms((1.0, (5,))),
            ValueError,
            r"order of operator\.terms must be an integer between 0 and 4",
        ),
        (Terms((1.0, (-1,))), ValueError, r"an order of operator\.terms must be"),
        (Terms((1.0, (1.5,))), TypeError, r"an order of operator\.terms must be an integer; got 1\.5"),
        (Terms((np.nan, (2,))), ValueError, "with real and finite coefficients"),
        (Terms((lambda x: np.inf * (x + 1), (2,))), ValueError, "with real and finite coefficients"),
        (Terms(1.0), (TypeError, ValueError), r"operator\.terms"),
        (Terms((1.0,)), (TypeError, ValueError), r"operator\.terms"),
        (Terms((1.0, 2)), (TypeError, ValueError), r"operator\.terms"),
        (Terms(("a", (2,))), (TypeError, ValueError), r"operator\.terms"),
        (Terms((1j, (2,))), (TypeError, ValueError), r"operator\.terms"),
        (Terms((lambda x: 1j * x, (2,))), (TypeError, ValueError), r"operator\.terms"),
        (Terms((np.ones(3), (2,))), ValueError, r"operator\.terms"),
        (Terms((lambda x: np.ones(3), (2,))), ValueError, r"operator\.terms"),
        (Returning(lambda u: u * np.nan), ValueError, r"operator\.nonlinear"),
        (Returning(lambda u: u[:3]), ValueError, r"operator\.nonlinear"),
        (Returning(lambda u: 1j * u), (TypeError, ValueError), r"operator\.nonlinear"),
    ],
)
def test_protocol(operator, error, match):
    with pytest.raises(error, match=match):
        SpectralMixturePDE(operator).fit(grid1, wave1.poisson(grid1), boundary(wave1, grid1))


def test_terms_that_are_no_list():
    class Iterated(Terms):
        def terms(self, n_dims):
            yield 1.0, [2]

    expected = fit(wave1, grid1).predict(grid1)
    solver = SpectralMixturePDE(Iterated()).fit(grid1, wave1.poisson(grid1), boundary(wave1, grid1))
    np.testing.assert_array_equal(solver.predict(grid1), expected)

    class Broken(Terms):
        def terms(self, n_dims):
            return None

    with pytest.raises((TypeError, ValueError), match=r"operator\.terms"):
        SpectralMixturePDE(Broken()).fit(grid1, wave1.poisson(grid1), boundary(wave1, grid1))


# Scales of coordinates and coefficients


@pytest.mark.parametrize("init", ["esprit", "frame", "evidence", [9.0]])
@pytest.mark.parametrize(
    ("length", "coefficient"),
    [(1e-100, 1e-100), (1e-76, 1.0), (1e78, 1.0), (1e100, 1.0), (1.0, 1e155), (1.0, 1e-155)],
)
def test_extreme_units(length, coefficient, init):
    """Of coordinates and of the operator: nothing overflows, and nothing warns."""
    u, (x,) = Known((sine(9.0),)), grid1
    source, data = u.poisson(grid1), boundary(u, grid1)
    operator = Terms((coefficient, (2,)))
    given = [9.0 / length] if isinstance(init, list) else init
    solver = SpectralMixturePDE(operator, init=given)
    solver.fit((length * x,), coefficient * (source / length / length), data)
    assert relative(solver.predict((length * x,)), u(grid1)) <= 1e-6
    for order in (1, 2):
        found = solver.predict(length * x, derivative=order)
        assert relative(found * length**order, u(grid1, (order,))) <= 1e-3
    if init == "esprit":
        np.testing.assert_allclose(solver.frequencies_[0] * length, [9.0], rtol=1e-6)


def test_powers_of_two_change_no_digit():
    """Also of the slope at a face, and of each dimension by itself."""
    u, grid, kinds = Known((sine(9.0), cosine(6 * np.pi))), (grid2[0], grid2[1] + 1.0), "neumann"
    terms = (1.0, (2, 0)), (1.0, (0, 2)), (-3.0, (0, 0))
    source, data = u.laplacian(grid) - 3.0 * u(grid), boundary(u, grid, ("dirichlet", kinds))
    wide, stretch = (2.0**70 * grid[0], 2.0**-60 * grid[1]), (2.0**140, 2.0**-120)
    scaled = [(c * stretch[0] ** (o[0] // 2) * stretch[1] ** (o[1] // 2), o) for c, o in terms]
    data_wide = data.copy()
    data_wide[1:-1] *= 2.0**60
    fits = [
        SpectralMixturePDE(Terms(*t), boundary_type=("dirichlet", kinds)).fit(g, source, d)
        for t, g, d in ((terms, grid, data), (scaled, wide, data_wide))
    ]
    assert relative(fits[0].predict(grid), u(grid)) <= 1e-9
    np.testing.assert_array_equal(fits[1].predict(wide), fits[0].predict(grid))
    slopes = fits[1].predict(wide, derivative=(0, 1)), fits[0].predict(grid, derivative=(0, 1))
    np.testing.assert_array_equal(2.0**-60 * slopes[0], slopes[1])


def test_length_out_of_range():
    """Where the equation is not linear, its terms have the units of the user."""
    (x,), u = grid1, Known((sine(9.0),))
    with pytest.raises(ValueError, match=r"grid must be of a length .*float64; got \[1e-160\]"):
        SpectralMixturePDE("allen_cahn").fit((1e-160 * x,), u.poisson(grid1), boundary(u, grid1))


# Resonances: solutions without source and data


def helmholtz(squared, n_dims):
    second = [(1.0, tuple(2 * (a == b) for b in range(n_dims))) for a in range(n_dims)]
    return Terms(*second, (squared, (0,) * n_dims))


def fit_helmholtz(squared, grid, kinds, init="esprit"):
    u = Known((sine(3.0, 1.0, 0.4),) * len(grid))
    source = u.laplacian(grid) + squared * u(grid)
    operator, data = helmholtz(squared, len(grid)), boundary(u, grid, kinds)
    return SpectralMixturePDE(operator, boundary_type=kinds, init=init).fit(grid, source, data), u


@pytest.mark.parametrize("init", ["esprit", "frame", "evidence"])
@pytest.mark.parametrize("kinds", ["dirichlet", "neumann"])
@pytest.mark.parametrize("k", [1, 7, 30])
def test_resonance(k, kinds, init):
    """The data have a solution, and so many."""
    with pytest.warns(LinAlgWarning, match="resonance"):
        fit_helmholtz(float(k * k), (np.linspace(0.0, np.pi, 120),), kinds, init)


@pytest.mark.parametrize(
    ("kinds", "squared"), [("dirichlet", 25.0 + 16.0), ("neumann", 36.0), ("dirichlet", 2.0)]
)
def test_resonance_in_the_plane(kinds, squared):
    with pytest.warns(LinAlgWarning, match="resonance"):
        fit_helmholtz(squared, (np.linspace(0.0, np.pi, 64),) * 2, kinds)


def test_resonance_of_any_scale_and_with_coefficients_that_vary():
    x = np.linspace(0.0, np.pi, 120)
    data = np.where(np.isin(x, x[[0, -1]]), 0.0, np.nan)
    for scale in (1e-12, 1e12):
        with pytest.warns(LinAlgWarning, match="resonance"):
            SpectralMixturePDE(Terms((scale, (2,)), (4.0 * scale, (0,)))).fit((x,), np.exp(x), data)
    # sin x solves (2 + cos x) u'' + (2 + cos x) u = 0.
    vary = [(lambda x: 2.0 + np.cos(x), orders) for orders in ((2,), (0,))]
    with pytest.warns(LinAlgWarning, match="resonance"):
        SpectralMixturePDE(Terms(*vary)).fit((x,), np.exp(x), data)


@pytest.mark.parametrize("n", [8, 20, 50])
def test_resonance_on_few_points(n):
    """The search has points of its own."""
    for k in (1, 4, 100, 190):
        grid = (np.linspace(0.0, np.pi, n),)
        with pytest.warns(LinAlgWarning, match="resonance"):
            fit_helmholtz(float(k * k), grid, "dirichlet", [3.0])
    for k in (1, 4, 16):
        with pytest.warns(LinAlgWarning, match="resonance"):
            fit_helmholtz(1.0 + k * k, (grid[0],) * 2, "dirichlet", [3.0])
    ends = np.where(np.isin(np.arange(n), [0, n - 1]), 0.0, np.nan)
    # sin 2x solves (2 + cos x) u'' + 4 (2 + cos x) u = 0.
    vary = Terms((lambda x: 2.0 + np.cos(x), (2,)), (lambda x: 4.0 * (2.0 + np.cos(x)), (0,)))
    with pytest.warns(LinAlgWarning, match="resonance"):
        SpectralMixturePDE(vary).fit(grid, np.zeros(n), ends)


def test_resonance_of_fourth_order():
    x = np.linspace(0.0, TURN, 40)
    with pytest.warns(LinAlgWarning, match="resonance"):
        SpectralMixturePDE(Terms((1.0, (4,)), (-16.0, (0,))), boundary_type="periodic").fit((x,), np.sin(x))


def test_coefficients_that_know_their_points_only():
    """They are not searched, and are not called where they raise in vain."""
    (x,), u = grid1, Known((sine(9.0),))
    known = np.linspace(1.0, 2.0, len(x))
    solver = SpectralMixturePDE(Terms((lambda _: known, (2,))))
    solver.fit(grid1, known * u.poisson(grid1), boundary(u, grid1))
    assert relative(solver.predict(grid1), u(grid1)) <= 1e-9


def test_coercive_with_coefficients_that_vary_much_is_no_resonance():
    """Where a coefficient is small, its largest value is no scale of the equation."""
    (x,), u = grid1, Known((sine(3.0),))

    def minus_c(x):
        return -0.5e8 * (1.0 + np.tanh((x - 0.5) / 0.02))

    solver = SpectralMixturePDE(Terms((1.0, (2,)), (minus_c, (0,))), init="frame")
    solver.fit(grid1, u.poisson(grid1) + minus_c(x) * u(grid1), boundary(u, grid1))
    assert relative(solver.predict(grid1), u(grid1)) <= 1e-9


def test_stiff_is_no_resonance():
    """Convection without diffusion, but for a part in 1e9."""
    u = Known((sine(3.0),))
    solver = SpectralMixturePDE(Terms((1e-9, (2,)), (1.0, (1,))))
    solver.fit(grid1, 1e-9 * u.poisson(grid1) + u(grid1, (1,)), boundary(u, grid1))
    assert relative(solver.predict(grid1), u(grid1)) <= 1e-9


def test_growth_is_said_to_magnify_errors():
    """u' - 40 u from its start is well-posed."""
    u = Known((cosine(3.0),))
    with pytest.warns(LinAlgWarning, match=r"near one, errors of both are up to .*e\+(09|10) times"):
        SpectralMixturePDE(Terms((1.0, (1,)), (-40.0, (0,)))).fit(
            grid1, u(grid1, (1,)) - 40.0 * u(grid1), boundary(u, grid1, faces=[(0, 0)])
        )


@pytest.mark.parametrize("kinds", ["dirichlet", "neumann"])
@pytest.mark.parametrize("squared", [1.0 + 1e-3, 50.5, 900.0 - 1e-1, -40.0])
def test_near_a_resonance_is_none(squared, kinds):
    """Nothing is said, and what is found is right."""
    grid = (np.linspace(0.0, np.pi, 120),)
    solver, u = fit_helmholtz(squared, grid, kinds)
    assert relative(solver.predict(grid), u(grid)) <= 1e-9


def test_no_resonance_in_the_plane():
    grid = (np.linspace(0.0, np.pi, 64),) * 2
    solver, u = fit_helmholtz(41.5, grid, "dirichlet")
    assert relative(solver.predict(grid), u(grid)) <= 1e-10
