"""The picture of pseudospectra: what it computes, what it draws, and that it warns of nothing."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.contour import ContourSet

from spectralkit.nonnormal import PseudospectrumDisplay, pseudospectrum
from tests.nonnormal.reference import gaussian, grcar, jordan, legs


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def contours(display):
    return [artist for artist in display.ax_.get_children() if isinstance(artist, ContourSet)]


def levels(display):
    return 10.0 ** contours(display)[0].levels


def draw(A, **options):
    display = PseudospectrumDisplay.from_matrix(A, n_points=30, **options).plot()
    display.figure_.canvas.draw()
    return display


def test_the_grid():
    A = grcar(12)
    display = PseudospectrumDisplay.from_matrix(A, bounds=(-1, 2, -3, 4), n_points=25)
    np.testing.assert_allclose(display.x, np.linspace(-1, 2, 25))
    np.testing.assert_allclose(display.y, np.linspace(-3, 4, 25))
    expected = pseudospectrum(A, display.x + 1j * display.y[:, None])
    np.testing.assert_allclose(display.sigma, expected, rtol=1e-3)
    np.testing.assert_array_equal(display.eigenvalues, np.linalg.eigvals(A))
    assert 0.0 < display.resolution < 1e-13


def test_the_tolerance():
    A, options = gaussian(30), {"bounds": (-6, 6, -6, 6), "n_points": 20}
    exact = PseudospectrumDisplay.from_matrix(A, tol=1e-10, **options).sigma
    errors = [
        np.max(np.abs(PseudospectrumDisplay.from_matrix(A, tol=tol, **options).sigma / exact - 1.0))
        for tol in (0.3, 1e-3)
    ]
    assert errors[0] < 0.3
    assert errors[1] < 1e-3
    assert errors[1] < errors[0]


@pytest.mark.parametrize("A", [grcar(9), gaussian(5, is_complex=True), legs(8)[0], jordan(3, 2.0), [[3]]])
def test_the_default_bounds_are_a_square_around_the_eigenvalues(A):
    display = PseudospectrumDisplay.from_matrix(A, n_points=10)
    values = np.linalg.eigvals(np.asarray(A))
    assert display.x[0] < values.real.min() <= values.real.max() < display.x[-1]
    assert display.y[0] < values.imag.min() <= values.imag.max() < display.y[-1]
    assert np.ptp(display.x) == pytest.approx(np.ptp(display.y))


@pytest.mark.parametrize("scale", [1e-250, 1.0, 1e200, 1e300])
@pytest.mark.parametrize(
    "A", [grcar(8), jordan(5), legs(12)[0], np.diag([1.0, 2.0]), gaussian(4, is_complex=True)]
)
def test_any_matrix_is_drawn(A, scale):
    display = draw(scale * A)
    drawn = levels(display)
    assert 2 <= drawn.size <= 10
    assert np.all(np.diff(drawn) > 0.0)
    assert np.all(drawn >= display.resolution)
    assert display.sigma.min() <= drawn[-1] <= display.sigma.max()


@pytest.mark.parametrize("A", [np.zeros((3, 3)), [[0.0]], np.eye(4), [[-2.0]], np.ones((2, 2), int)])
def test_degenerate_matrices(A):
    assert levels(draw(A)).size > 1


@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_the_norm_of_a_large_matrix_at_any_scale(scale):
    A = np.random.default_rng(0).standard_normal((201, 201))
    options = {"bounds": [-scale, scale, -scale, scale], "n_points": 2}
    expected = scale * 201 * np.finfo(float).eps * np.linalg.norm(A, 2)
    np.testing.assert_allclose(
        PseudospectrumDisplay.from_matrix(scale * A, **options).resolution, expected, rtol=1e-6
    )


def test_what_is_drawn():
    display = draw(grcar(12), bounds=(-1, 3, -3, 3))
    ax = display.ax_
    dots = next(line for line in ax.lines if line.get_label() == "eigenvalues")
    np.testing.assert_array_equal(dots.get_xdata() + 1j * dots.get_ydata(), display.eigenvalues)
    assert ax.get_xlim() == (-1.0, 3.0)
    assert ax.get_ylim() == (-3.0, 3.0)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Re z", "Im z")
    bar = display.figure_.axes[1]
    assert bar.get_ylabel() == "ε"
    np.testing.assert_allclose(10.0 ** bar.get_yticks(), levels(display))
    assert bar.get_yticklabels()[0].get_text().startswith("$10^{")
    # The imaginary axis, where it is inside.
    assert len(ax.lines) == 2
    assert len(draw(grcar(12), bounds=(1, 3, -3, 3)).ax_.lines) == 1


def test_level_lines_are_where_the_singular_value_is():
    A = gaussian(6)
    display = PseudospectrumDisplay.from_matrix(A, n_points=150).plot(levels=[0.05, 0.3])
    for path, level in zip(contours(display)[0].get_paths(), (0.05, 0.3), strict=True):
        x, y = path.vertices.T
        assert len(x) > 20
        np.testing.assert_allclose(pseudospectrum(A, x + 1j * y), level, rtol=0.2)


def test_axes_and_options():
    figure, (ax, _) = plt.subplots(1, 2)
    display = PseudospectrumDisplay.from_matrix(grcar(8), n_points=20)
    assert display.plot(ax, levels=[1e-2, 1e-1], cmap="magma") is display
    assert display.ax_ is ax
    assert display.figure_ is figure
    np.testing.assert_allclose(levels(display), [1e-2, 1e-1])
    assert contours(display)[0].get_cmap().name == "magma"
    assert plt.get_fignums() == [figure.number]
    other = display.plot(ax=None)
    assert other.ax_ is not ax


def test_few_levels():
    display = PseudospectrumDisplay.from_matrix(grcar(8), n_points=20).plot(levels=[0.1])
    display.figure_.canvas.draw()
    np.testing.assert_allclose(levels(display), [0.1])
    assert len(display.figure_.axes) == 1
    # So far away that all values are alike.
    display = draw(grcar(8), bounds=(1e6, 1e6 + 1, 0, 1))
    assert not contours(display)


def test_values_that_were_computed_before():
    x = np.linspace(-1, 1, 12)
    sigma = np.abs(x + 1j * x[:, None])
    display = PseudospectrumDisplay(x, x, sigma, np.zeros(1)).plot()
    assert display.sigma is sigma
    assert display.resolution == 0.0


def test_what_is_below_rounding_is_not_drawn():
    display = draw(jordan(60), bounds=(-0.9, 0.9, -0.9, 0.9))
    assert display.sigma.min() < 1e-17
    assert levels(display).min() >= display.resolution > 0.0


@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        ([], ValueError, r"levels must be positive, finite and increasing; got \[\]"),
        (0.1, ValueError, "levels must be positive, finite and increasing; got 0.1"),
        ([[0.1, 0.2]], ValueError, "levels must be positive"),
        ([0.2, 0.1], ValueError, r"levels must be positive, finite and increasing; got \[0.2, 0.1\]"),
        ([0.1, 0.1], ValueError, "levels must be positive"),
        ([0.0, 0.1], ValueError, "levels must be positive"),
        ([-1.0, 0.1], ValueError, "levels must be positive"),
        ([0.1, np.nan], ValueError, "levels must be positive"),
        ([np.nan, 0.1], ValueError, "levels must be positive"),
        ([0.1, np.inf], ValueError, "levels must be positive"),
        ("0.1", TypeError, "levels must be real numbers; got dtype"),
        ([0.1j, 1.0], TypeError, "levels must be real numbers; got dtype complex128"),
    ],
)
def test_levels(value, error, match):
    display = PseudospectrumDisplay.from_matrix(grcar(4), n_points=5)
    with pytest.raises(error, match=match):
        display.plot(levels=value)
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        (
            {"bounds": (1, 0, 0, 1)},
            ValueError,
            r"bounds must be \(left, right, lower, upper\); got \[1.0, 0.0",
        ),
        ({"bounds": (0, 1, 1, 1)}, ValueError, "bounds must be .* Each end is above its beginning"),
        ({"bounds": (0, 1, 2)}, ValueError, "bounds must be"),
        ({"bounds": 1.0}, ValueError, "bounds must be"),
        ({"bounds": (0, np.nan, 0, 1)}, ValueError, "bounds must be"),
        ({"bounds": (0, np.inf, 0, 1)}, ValueError, "bounds must be"),
        ({"bounds": "0123"}, TypeError, "bounds must be real numbers; got dtype"),
        ({"bounds": (0, 1, 0, 1j)}, TypeError, "bounds must be real numbers; got dtype complex128"),
        ({"n_points": 1}, ValueError, "n_points must be an integer of at least 2; got 1"),
        ({"n_points": 20.0}, TypeError, "n_points must be an integer; got 20"),
        ({"tol": 0.0}, ValueError, r"tol must be a finite number in \(0, 1\); got 0.0"),
        ({"tol": 1.0}, ValueError, "tol must be a finite number"),
    ],
)
def test_options(options, error, match):
    with pytest.raises(error, match=match):
        PseudospectrumDisplay.from_matrix(grcar(4), **options)


def test_input_stays():
    A = grcar(6)
    A.flags.writeable = False
    display = PseudospectrumDisplay.from_matrix(A, n_points=10)
    sigma = display.sigma.copy()
    display.plot()
    np.testing.assert_array_equal(A, grcar(6))
    np.testing.assert_array_equal(display.sigma, sigma)
