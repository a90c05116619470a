"""Differential operators: linear terms, and a nonlinear one with its derivative."""

from collections.abc import Iterable

import numpy as np

from spectralkit._core.checks import check_integer, check_number, invalid


class Poisson:
    """Σ ∂²u."""

    def terms(self, n_dims):
        """Return ``[(coefficient, orders of the derivative), ...]``."""
        return [(1.0, tuple(2 * (a == b) for b in range(n_dims))) for a in range(n_dims)]


class AllenCahn(Poisson):
    """Σ ∂²u + u (u² - 1)."""

    def nonlinear(self, u):
        """Return what is added to the linear terms."""
        return u * (u * u - 1.0)

    def nonlinear_derivative(self, u):
        """Return the derivative of that in u."""
        return 3.0 * u * u - 1.0


class Advection:
    """β ∂u/∂x₀ + ∂u/∂x₁."""

    def __init__(self, beta):
        self.beta = beta

    def terms(self, n_dims):
        """Return ``[(coefficient, orders of the derivative), ...]``."""
        if n_dims != 2:
            raise ValueError(invalid("grid", "of 2 dimensions for advection", f"{n_dims} dimensions"))
        return [(self.beta, (1, 0)), (1.0, (0, 1))]

    def undetermined(self, faces):
        """Return what is missing: every characteristic has to meet a face with data."""
        if self.beta == 0.0:
            return "" if {(1, 0), (1, 1)} & faces else "the low or the high face of dimension 1"
        same = self.beta > 0.0
        inflow, outflow = ({(0, side), (1, side if same else 1 - side)} for side in (0, 1))
        if inflow <= faces or outflow <= faces:
            return ""
        return f"the low face of dimension 0 and the {'low' if same else 'high'} face of dimension 1"


def as_operator(operator, beta):
    """Return an operator for a name, or the user's object once its protocol is checked."""
    named = {"poisson": Poisson, "allen_cahn": AllenCahn, "advection": Advection}
    if isinstance(operator, str):
        if operator not in named:
            options = ", ".join(map(repr, named))
            raise ValueError(invalid("operator", f"one of {options} or an operator object", operator))
        if operator == "advection":
            remedy = "It is the speed along the first dimension."
            if beta is None:
                raise ValueError(invalid("beta", 'a number with operator="advection"', None, remedy))
            return Advection(check_number("beta", beta, remedy=remedy))
    elif not callable(getattr(operator, "terms", None)) or isinstance(operator, type):
        remedy = "See the notes of SpectralMixturePDE for what an operator object has."
        raise TypeError(invalid("operator", "a name or an object with terms(n_dims)", operator, remedy))
    elif any(
        hasattr(operator, name) != callable(getattr(operator, other, None))
        for name, other in (("nonlinear", "nonlinear_derivative"), ("nonlinear_derivative", "nonlinear"))
    ):
        raise TypeError(
            invalid("operator", "with both methods nonlinear and nonlinear_derivative, or neither", operator)
        )
    if beta is not None:
        raise ValueError(invalid("beta", 'None unless operator="advection"', beta))
    return named[operator]() if isinstance(operator, str) else operator


def linear_terms(operator, grid):
    """Return the checked linear terms; coefficients are numbers, or arrays on the grid."""
    shape, found = tuple(map(len, grid)), []
    terms = operator.terms(len(grid))
    terms = list(terms) if isinstance(terms, Iterable) else [terms]
    if not all(isinstance(term, list | tuple) and len(term) == 2 for term in terms):
        raise TypeError(invalid("operator.terms", "a list of (coefficient, orders)", terms))
    for coefficient, orders in terms:
        if not isinstance(orders, list | tuple) or len(orders) != len(grid):
            raise ValueError(invalid("operator.terms", f"with {len(grid)} orders in each term", orders))
        orders = tuple(check_integer("an order of operator.terms", order, 0, 4) for order in orders)
        if callable(coefficient):
            coefficient = coefficient(*np.meshgrid(*grid, indexing="ij", sparse=True))
        coefficient = np.asarray(coefficient)
        if coefficient.dtype.kind not in "fiu" or not np.isfinite(coefficient).all():
            given = f"dtype {coefficient.dtype}" if coefficient.dtype.kind not in "fiu" else "NaN or infinity"
            raise ValueError(invalid("operator.terms", "with real and finite coefficients", given))
        try:
            np.broadcast_to(coefficient, shape)
        except ValueError:
            constraint = f"with coefficients of a shape that broadcasts to {shape}"
            raise ValueError(invalid("operator.terms", constraint, f"shape {coefficient.shape}")) from None
        if not coefficient.any():
            continue
        if coefficient.ndim:
            coefficient = np.broadcast_to(coefficient.astype(np.float64), shape)
        found.append((coefficient if coefficient.ndim else float(coefficient), orders))
    if not any(any(orders) for _, orders in found):
        raise ValueError(invalid("operator.terms", "with some derivative", found))
    return found
