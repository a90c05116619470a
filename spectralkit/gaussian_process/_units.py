"""Powers of two for units, in which a problem is of about unit size: no digit changes, nothing overflows."""

import math
from dataclasses import dataclass, replace

import numpy as np

from spectralkit._core.checks import invalid
from spectralkit.gaussian_process._collocation import Problem


@dataclass(frozen=True)
class Units:
    """Exponents of the units of the length of each side, of the equation and of the solution."""

    lengths: list
    equation: int
    values: int

    def of(self, orders):
        """Return the exponent of a derivative of something that has no unit."""
        return -sum(k * order for k, order in zip(self.lengths, orders, strict=True))

    def terms(self, terms):
        """Return linear terms in these units."""
        return [(scaled(c, self.of(orders) - self.equation), orders) for c, orders in terms]

    def source(self, values):
        """Return values of the source in these units."""
        return scaled(values, -self.equation - self.values)

    def condition(self, condition):
        """Return a condition in these units."""
        k = self.lengths[condition.axis]
        pieces = tuple((scaled(point, -k), order, factor) for point, order, factor in condition.pieces)
        values = scaled(condition.values, k * condition.order - self.values)
        return replace(condition, pieces=pieces, values=values)


def scaled(values, exponent):
    """Return values times a power of two, which alone may be out of range; what is too large is infinite."""
    with np.errstate(over="ignore"):
        return np.ldexp(values, exponent)


def in_units(grid, source, terms, operator, conditions):
    """Return a problem in units of its own, and the units."""
    units = Units([math.frexp(x[-1] - x[0])[1] - 1 for x in grid], 0, 0)
    # Where the equation is not linear the size of the solution is part of it.
    if not hasattr(operator, "nonlinear"):
        units = replace(units, equation=max(_exponent(c) + units.of(orders) for c, orders in terms))
        sizes = [_exponent(source) - units.equation] if source.any() else []
        sizes += [_exponent(c.values) + units.lengths[c.axis] * c.order for c in conditions if c.values.any()]
        units = replace(units, values=max(sizes, default=0))
    terms, source = units.terms(terms), units.source(source)
    conditions = [units.condition(c) for c in conditions]
    arrays = [source, *(c for c, _ in terms), *(c.values for c in conditions)]
    if not all(np.isfinite(array).all() for array in arrays):
        constraint = "of a length at which the terms of the equation are within the range of float64"
        lengths = [float(x[-1] - x[0]) for x in grid]
        raise ValueError(invalid("grid", constraint, lengths, "Measure it in other units."))
    grid = [scaled(x, -k) for x, k in zip(grid, units.lengths, strict=True)]
    return Problem(grid, source, terms, operator, conditions), units


def _exponent(values):
    return math.frexp(np.abs(values).max())[1] - 1
