"""Solutions of noisy problems: whether deviations are those that are seen."""

import copy
import itertools
import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from spectralkit.gaussian_process import AliasingWarning, SpectralMixturePDE
from tests.gaussian_process.reference import (
    Known,
    boundary,
    bump,
    cosine,
    polynomial,
    product,
    relative,
    sine,
)

RATIOS = (10.0, 100.0, 1000.0)
NORMAL = 1.959963984540054
waves = Known((product(sine(6.0), cosine(30.0)),)), (np.linspace(0.0, 2.0 * np.pi, 200),)
hill = Known((bump(200.0, 0.37),)), (np.linspace(0.0, 1.0, 200),)
square = Known((sine(6.0), sine(9.0))), (np.linspace(0.0, 2.0 * np.pi, 40),) * 2
PROBLEMS = {"waves": waves, "hill": hill, "square": square}


class Fit:
    """One fit to a noisy source, and how it compares with the solution between the points of the grid."""

    def __init__(self, name, ratio, seed, operator="poisson", known=None, widen=1.0, **options):
        self.u, self.grid = u, grid = PROBLEMS[name] if isinstance(name, str) else name
        source = getattr(u, operator)(grid)
        self.std = float(np.std(source)) / ratio
        source = source + self.std * np.random.default_rng(seed).standard_normal(source.shape)
        noise_var = 0.0 if known is None else known * self.std**2
        self.solver = SpectralMixturePDE(operator, init="evidence", noise_var=noise_var, **options)
        with warnings.catch_warnings():
            if known is not None and known < 1.0:  # then lines are found in the rest of the noise
                warnings.simplefilter("ignore", AliasingWarning)
            self.solver.fit(grid, source, boundary(u, grid))
        inside = tuple(np.linspace(x[0], x[-1], 303 if len(grid) == 1 else 43)[1:-1] for x in grid)
        mean, deviation = self.solver.predict(inside, return_std=True)
        self.error, self.deviation = relative(mean, u(inside)), float(np.mean(deviation))
        self.coverage = float(np.mean(np.abs(mean - u(inside)) <= widen * NORMAL * deviation))
        self.noise = self.solver.noise_var_ / self.std**2


def fits(name, ratio, n, **options):
    return [Fit(name, ratio, seed, **options) for seed in range(n)]


def coverage(found):
    return float(np.mean([fit.coverage for fit in found]))


@pytest.mark.slow
@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("name", PROBLEMS)
def test_coverage(name, ratio):
    found = fits(name, ratio, 32)
    assert 0.90 <= coverage(found) <= 0.99
    assert 0.7 <= np.mean([fit.noise for fit in found]) <= 1.3
    bound = {"waves": 1.0, "hill": 4.0, "square": 1.0}[name] / ratio
    assert np.median([fit.error for fit in found]) <= bound


@pytest.mark.slow
@pytest.mark.parametrize("name", ["waves", "hill"])
def test_coverage_of_half_the_bands(name):
    """The same draws tell bands that are too narrow."""
    found = fits(name, 100.0, 32, widen=0.5)
    assert coverage(found) < 0.85


def test_coverage_in_two_dimensions():
    """Half the bands, and bands for four times the noise, are told from those that are right."""
    found = fits("square", 100.0, 12)
    assert 0.90 <= coverage(found) <= 0.99
    assert all(0.7 <= fit.noise <= 1.3 for fit in found)
    assert max(fit.error for fit in found) <= 5e-3
    assert coverage(fits("square", 100.0, 12, widen=0.5)) < 0.85
    assert coverage(fits("square", 100.0, 8, known=16.0)) > 0.99


def test_coverage_of_waves():
    """A few draws: that the slow test is not needed to see what is badly wrong."""
    found = fits("waves", 100.0, 4)
    assert coverage(found) >= 0.75
    assert max(fit.error for fit in found) <= 1e-2
    assert 0.7 <= np.mean([fit.noise for fit in found]) <= 1.3


@pytest.mark.parametrize("name", PROBLEMS)
def test_less_noise(name):
    """Ten times less noise: deviations and errors about ten times smaller."""
    found = [Fit(name, ratio, 0) for ratio in RATIOS]
    for more, less in itertools.pairwise(found):
        assert 3.0 < more.deviation / less.deviation < 30.0
        assert less.error < more.error
    assert found[-1].error <= 1e-2
    assert found[-1].solver.method_ == "evidence"


@pytest.mark.slow
def test_allen_cahn():
    found = fits("waves", 1000.0, 40, operator="allen_cahn")
    assert 0.90 <= coverage(found) <= 0.99
    assert max(fit.error for fit in found) <= 2e-3
    assert 0.7 <= np.mean([fit.noise for fit in found]) <= 1.3


@pytest.mark.slow
def test_allen_cahn_in_two_dimensions():
    # A grid that resolves the cube of the solution.
    problem = square[0], (np.linspace(0.0, 2.0 * np.pi, 64),) * 2
    found = fits(problem, 1000.0, 4, operator="allen_cahn")
    assert coverage(found) >= 0.85
    assert max(fit.error for fit in found) <= 1e-3
    assert all(0.7 <= fit.noise <= 1.3 for fit in found)


@pytest.mark.parametrize("name", PROBLEMS)
def test_known_noise(name):
    fit = Fit(name, 100.0, 1, known=1.0)
    assert fit.solver.noise_var_ == pytest.approx(fit.std**2)
    assert fit.error <= 0.05


@pytest.mark.parametrize("name", PROBLEMS)
def test_no_noise(name):
    u, grid = PROBLEMS[name]
    source = u.poisson(grid)
    solver = SpectralMixturePDE(init="evidence").fit(grid, source, boundary(u, grid))
    mean, std = solver.predict(grid, return_std=True)
    assert relative(mean, u(grid)) <= 1e-4
    assert std.max() <= 1e-3
    assert 0.0 < solver.noise_var_ <= 1e-8 * np.var(source)


@pytest.mark.slow
@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize(("name", "nu"), [("waves", 2.5), ("hill", 4.5)])
def test_coverage_of_student_t(name, ratio, nu):
    found = fits(name, ratio, 12, spectrum="student_t", nu=nu)
    assert coverage(found) >= 0.80
    assert 0.7 <= np.mean([fit.noise for fit in found]) <= 1.3


@pytest.mark.parametrize("name", ["waves", "hill"])
def test_rough_components_do_not_take_up_the_noise(name):
    """L of a process of order 2.5 is of order 0.5; and a line of it has the slow part of a bump."""
    found = fits(name, 10.0, 4, spectrum="student_t")
    assert all(0.6 <= fit.noise <= 1.4 for fit in found)
    assert coverage(found) >= 0.75


def test_one_mixture_or_the_other():
    problem, found = waves, {}
    for spectrum in ("gaussian", "student_t"):
        found[spectrum] = Fit(problem, 100.0, 0, spectrum=spectrum)
        assert found[spectrum].error <= 0.05
        assert found[spectrum].solver.n_iter_ >= 1
        assert found[spectrum].solver.rank_ >= 1


def test_uneven_grid():
    u, grid = hill[0], (np.linspace(0.0, 1.0, 200) ** 1.1,)
    fit = Fit((u, grid), 1000.0, 0)
    assert fit.error <= 0.02
    assert fit.coverage >= 0.3


# Shapes, dtypes, derivatives


@pytest.fixture(scope="module", params=["waves", "square"])
def fitted(request):
    return Fit(request.param, 100.0, 3)


def test_shapes(fitted):
    solver, n_dims = fitted.solver, len(fitted.grid)
    grid = (np.linspace(0.5, 5.0, 7), np.linspace(1.0, 4.0, 5))[:n_dims]
    mean, std = solver.predict(grid, return_std=True)
    assert mean.shape == std.shape == tuple(map(len, grid))
    assert mean.dtype == std.dtype == np.float64
    assert (std > 0.0).all()
    columns = np.stack([a.ravel() for a in np.meshgrid(*grid, indexing="ij")], axis=1)
    at_points, std_at_points = solver.predict(columns, return_std=True)
    np.testing.assert_allclose(at_points, mean.ravel(), rtol=0, atol=1e-10)
    np.testing.assert_allclose(std_at_points, std.ravel(), rtol=1e-4)
    assert_array_equal(solver.predict(grid), mean)
    empty = solver.predict(np.zeros((0, n_dims)), return_std=True)
    assert empty[0].shape == empty[1].shape == (0,)
    # Far fewer points at once than one by one.
    alone = solver.predict(columns[3:4], return_std=True)
    np.testing.assert_allclose(alone[1], std.ravel()[3:4], rtol=1e-4)


def test_deviations_of_derivatives(fitted):
    """They grow with the order, and hold the derivative of the solution."""
    n_dims, before = len(fitted.grid), 0.0
    inside = tuple(np.linspace(x[0], x[-1], 43)[1:-1] for x in fitted.grid)
    for order in (0, 1, 2):
        orders = (order,) + (0,) * (n_dims - 1)
        mean, std = fitted.solver.predict(inside, return_std=True, derivative=orders)
        assert np.mean(std) > before
        assert np.mean(np.abs(mean - fitted.u(inside, orders)) <= 4.0 * std) >= 0.75
        before = np.mean(std)


def test_boundary_is_certain(fitted):
    faces = tuple(x[[0, -1]] for x in fitted.grid)
    mean, std = fitted.solver.predict(faces, return_std=True)
    assert np.abs(mean - fitted.u(faces)).max() <= 1e-4
    assert std.max() <= 1e-4


def test_copies(fitted):
    points = fitted.grid
    expected = fitted.solver.predict(points, return_std=True)
    for other in (pickle.loads(pickle.dumps(fitted.solver)), copy.deepcopy(fitted.solver)):
        for a, b in zip(other.predict(points, return_std=True), expected, strict=True):
            assert_array_equal(a, b)


def test_same_numbers_again(fitted):
    again = Fit((fitted.u, fitted.grid), 100.0, 3)
    assert_array_equal(again.solver.coef_, fitted.solver.coef_)


@pytest.mark.parametrize("name", PROBLEMS)
def test_scale(name):
    """Mean and deviation scale with the data."""
    u, grid = PROBLEMS[name]
    source = u.poisson(grid)
    source += 0.01 * np.std(source) * np.random.default_rng(0).standard_normal(source.shape)
    found = [
        SpectralMixturePDE(init="evidence").fit(grid, c * source, c * boundary(u, grid))
        for c in (1.0, 2.0**20)
    ]
    (mean, std), (mean2, std2) = (s.predict(grid, return_std=True) for s in found)
    assert relative(mean2 / 2.0**20, mean) <= 1e-6
    assert relative(std2 / 2.0**20, std) <= 1e-3
    assert found[1].noise_var_ == pytest.approx(2.0**40 * found[0].noise_var_, rel=1e-3)


@pytest.mark.parametrize("name", ["waves", "square"])
def test_single_precision(name):
    u, grid = PROBLEMS[name]
    source = u.poisson(grid)
    source += 0.01 * np.std(source) * np.random.default_rng(0).standard_normal(source.shape)
    solver = SpectralMixturePDE(init="evidence")
    solver.fit(grid, source.astype("float32"), boundary(u, grid).astype("float32"))
    mean, std = solver.predict(grid, return_std=True)
    assert mean.dtype == std.dtype == np.float32
    assert relative(mean, u(grid)) <= 0.05


@pytest.mark.parametrize("n_dims", [1, 2])
def test_nothing(n_dims):
    grid = (np.linspace(0.0, 1.0, 20),) * n_dims
    data = np.zeros((20,) * n_dims)
    data[(slice(1, -1),) * n_dims] = np.nan
    solver = SpectralMixturePDE(init="evidence").fit(grid, np.zeros((20,) * n_dims), data)
    mean, std = solver.predict(grid, return_std=True)
    assert not mean.any()
    assert np.isfinite(std).all()
    assert solver.noise_var_ == 0.0


@pytest.mark.parametrize("spectrum", ["gaussian", "student_t"])
def test_boundary_alone(spectrum):
    """Without a source its size is no measure of a residual."""
    grid, u = (np.linspace(0.0, 1.0, 100),), Known((polynomial(1.0, 1.0),))
    solver = SpectralMixturePDE(init="evidence", spectrum=spectrum).fit(
        grid, np.zeros(100), boundary(u, grid)
    )
    assert relative(solver.predict(grid), u(grid)) <= 1e-6
    assert solver.residual_norm_ <= 1e-5


@pytest.mark.parametrize("name", ["hill", "square"])
def test_noise_out_of_range(name):
    u, grid = PROBLEMS[name]
    source = u.poisson(grid)
    source, data = source + np.random.default_rng(0).standard_normal(source.shape), boundary(u, grid)
    solver = SpectralMixturePDE(init="evidence")
    with pytest.raises(
        ValueError, match="noise_var must be within the range of float64; got a larger estimate"
    ):
        solver.fit(grid, 1e200 * source, 1e200 * data)
    with pytest.raises(ValueError, match=r"noise_var must be at most 1e\+100 times .*; got 1\.0"):
        solver.set_params(noise_var=1.0).fit(grid, 1e-200 * source, 1e-200 * data)
    # About the largest that there may be: nothing is found, and that is said.
    with pytest.warns(ConvergenceWarning, match="in its residual"):
        solver.set_params(noise_var=1e90).fit(grid, source, data)
    assert np.isfinite(solver.predict(grid, return_std=True)).all()


@pytest.mark.parametrize("shape", [(15,), (15, 20), (20, 15)])
def test_few_points(shape):
    grid = tuple(np.linspace(0.0, 1.0, n) for n in shape)
    data = boundary(Known((polynomial(0.0),) * len(shape)), grid)
    with pytest.raises(
        ValueError, match=r"grid must be of at least 16 points in each dimension for init=\"evid"
    ):
        SpectralMixturePDE(init="evidence").fit(grid, np.ones(shape), data)


@pytest.mark.parametrize("spectrum", ["gaussian", "student_t"])
def test_coverage_of_fewest_points(spectrum):
    problem = Known((sine(3.0),)), (np.linspace(0.0, 1.0, 16),)
    found = fits(problem, 10.0, 10, spectrum=spectrum)
    assert coverage(found) >= 0.8
    assert all(fit.noise >= 0.02 for fit in found)


@pytest.mark.parametrize("seed", range(3))
def test_order_just_above_that_of_the_operator(seed):
    """L of such a process is nearly white, and would take up the noise."""

    class Slope:
        def terms(self, n_dims):
            return [(1.0, (1,))]

    rng, x, u = np.random.default_rng(seed), np.linspace(0.0, 1.0, 60), Known((sine(3.0),))
    source = u((x,), (1,)) + 0.1 * rng.standard_normal(60)
    solver = SpectralMixturePDE(Slope(), init="evidence", spectrum="student_t", nu=1.01)
    solver.fit((x,), source, boundary(u, (x,), faces=[(0, 0)]))
    assert 0.1 <= solver.noise_var_ / 0.1**2 <= 2.0
