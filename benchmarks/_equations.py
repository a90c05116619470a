"""Differential equations with known solutions, for `benchmarks.gp_pde` and the guide's tables."""

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy import cos, exp, sin

TURN = 2 * np.pi


@dataclasses.dataclass(frozen=True)
class Equation:
    """A manufactured solution on a box: the source is what the operator makes of it."""

    operator: str
    length: float
    """Of each side; the box begins at the origin."""
    points: int
    """Of the grid, along each side."""
    n_dims: int
    solution: Callable
    """Of the coordinates: the values and the linear part of the operator applied to them."""
    beta: float | None = None

    def axes(self, n_points=None):
        """Return the coordinates along each dimension."""
        return (np.linspace(0, self.length, n_points or self.points),) * self.n_dims

    def evaluate(self, axes):
        """Return the solution and its source on a grid."""
        u, source = self.solution(*np.meshgrid(*axes, indexing="ij"))
        return u, source + u * (u * u - 1) if self.operator == "allen_cahn" else source

    def data(self, n_points=None):
        """Return what a solver is given: grid, source, and boundary values with NaN inside."""
        axes = self.axes(n_points)
        u, source = self.evaluate(axes)
        return axes, source, on_boundary(u)

    def test(self, n_points=300):
        """Return other points, and the solution there."""
        axes = self.axes(n_points)
        return axes, self.evaluate(axes)[0]


def on_boundary(u):
    """Return values on the faces, and NaN inside."""
    boundary = u.copy()
    boundary[(slice(1, -1),) * u.ndim] = np.nan
    return boundary


def relative(found, u):
    """Return the relative error in the 2-norm."""
    return float(np.linalg.norm(found - u) / np.linalg.norm(u))


def waves(*lines):
    """Return a sum of ``amplitude sin(frequency x)``, for pairs of both."""

    def solution(x):
        parts = [(a * sin(w * x), -w * w * a * sin(w * x)) for a, w in lines]
        return tuple(sum(column) for column in zip(*parts, strict=True))

    return solution


def modulated(fast):
    """Return ``sin 6x cos(fast x)``."""

    def solution(x):
        u = sin(6 * x) * cos(fast * x)
        return u, -(36 + fast**2) * u - 12 * fast * cos(6 * x) * sin(fast * x)

    return solution


def sine_product(a, b):
    """Return ``sin(a x) sin(b y)``."""

    def solution(x, y):
        u = sin(a * x) * sin(b * y)
        return u, -(a * a + b * b) * u

    return solution


def _transported(x, y):
    return sin(x - 200 * y), np.zeros_like(x)


def _three_lines(t):
    u = sin(t) + 0.1 * sin(20 * t) + cos(100 * t)
    return u, -sin(t) - 40 * sin(20 * t) - 1e4 * cos(100 * t)


def _product(x, y):
    (a, a_xx), (b, b_yy) = _three_lines(x), _three_lines(y)
    return a * b, a_xx * b + a * b_yy


def _sum(x, y):
    (a, a_xx), (b, b_yy) = modulated(20)(x), modulated(20)(y)
    return a + b, a_xx + b_yy


def _bump(x):
    u = exp(-200 * (x - 0.37) ** 2)
    return u, (400**2 * (x - 0.37) ** 2 - 400) * u


def _chirp(x):
    phase, rate = 40 * x + 60 * x * x, 40 + 120 * x
    return sin(phase), 120 * cos(phase) - rate * rate * sin(phase)


def _exp_cos(x):
    return exp(2 * x) + 0.05 * cos(90 * x), 4 * exp(2 * x) - 405 * cos(90 * x)


def _runge(x):
    t = x - 0.5
    q = 1 + 25 * t * t
    wave, slope = sin(50 * x), 50 * cos(50 * x)
    return wave / q, -2500 * wave / q - 100 * t * slope / q**2 + (5000 * t * t / q**3 - 50 / q**2) * wave


def _kink(x):
    return np.abs(x - 0.3) ** 3.5, 8.75 * np.abs(x - 0.3) ** 1.5


def _non_separable(x, y):
    r2 = (x - 0.4) ** 2 + (y - 0.6) ** 2
    bump, wave = exp(-20 * r2), sin(30 * x + 12 * y)
    return bump + wave, (1600 * r2 - 80) * bump - 1044 * wave


def _linear_source(x):
    return sin(500 * x) - 2 * (x - 0.5) ** 2, -25e4 * sin(500 * x) - 4


def _growing(x):
    return x * sin(200 * x), 400 * cos(200 * x) - 4e4 * x * sin(200 * x)


# The cases of the paper, with the points that its authors take.
PUBLISHED = {
    "mix_sin": Equation("poisson", 1, 900, 1, waves((1, 1), (0.1, 20), (0.05, 100))),
    "single_sin": Equation("poisson", TURN, 400, 1, waves((1, 100))),
    "sin_cos": Equation("poisson", TURN, 400, 1, modulated(100)),
    "x_time_sinx": Equation("poisson", TURN, 900, 1, _growing),
    "x2_add_sinx": Equation("poisson", 1, 400, 1, _linear_source),
    "allen_cahn single_sin": Equation("allen_cahn", TURN, 400, 1, waves((1, 100))),
    "allen_cahn sin_cos": Equation("allen_cahn", TURN, 400, 1, modulated(100)),
    "2-D sin_sin": Equation("poisson", TURN, 400, 2, sine_product(100, 100)),
    "2-D sin_add_cos": Equation("poisson", TURN, 200, 2, _sum),
    "2-D allen_cahn": Equation("allen_cahn", 1, 200, 2, _product),
    "advection": Equation("advection", 1, 200, 2, _transported, beta=200.0),
}
# Solutions that no finite sum of lines and polynomials holds.
OTHERS = {
    "bump": Equation("poisson", 1, 400, 1, _bump),
    "chirp": Equation("poisson", 1, 400, 1, _chirp),
    "exp + cos": Equation("poisson", 1, 400, 1, _exp_cos),
    "Runge × sine": Equation("poisson", 1, 400, 1, _runge),
    "kink": Equation("poisson", 1, 400, 1, _kink),
    "2-D, not separable": Equation("poisson", 1, 120, 2, _non_separable),
}
