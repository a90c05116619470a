"""Functions with all their derivatives in closed form, and the problems that they solve.

A function of one variable is called with points and the order of the derivative.
"""

import math

import numpy as np
from numpy.polynomial import hermite


def sine(frequency, amplitude=1.0, phase=0.0):
    def function(x, order=0):
        return amplitude * frequency**order * np.sin(frequency * x + phase + 0.5 * math.pi * order)

    return function


def cosine(frequency, amplitude=1.0):
    return sine(frequency, amplitude, 0.5 * math.pi)


def polynomial(*coefficients):
    """Coefficients from the lowest power up."""

    def function(x, order=0):
        return np.polynomial.Polynomial(coefficients).deriv(order)(x) + 0.0 * x

    return function


def exponential(rate):
    return lambda x, order=0: rate**order * np.exp(rate * x)


def bump(rate, centre):
    """exp(-rate (x - centre)²)."""

    def function(x, order=0):
        t = math.sqrt(rate) * (x - centre)
        return (-math.sqrt(rate)) ** order * hermite.hermval(t, np.eye(order + 1)[-1]) * np.exp(-t * t)

    return function


def runge(rate, centre):
    """1 / (1 + rate² (x - centre)²)."""

    def function(x, order=0):
        pole = 1.0 + 1j * rate * (x - centre)
        return (math.factorial(order) * (-1j * rate) ** order / pole ** (order + 1)).real

    return function


def chirp(first, second):
    """sin(first x + second x²)."""

    def wave(x, order):
        if order == 0:
            return np.exp(1j * (first * x + second * x * x))
        slope = (first + 2.0 * second * x) * wave(x, order - 1)
        return 1j * (slope + (order - 1) * 2.0 * second * (wave(x, order - 2) if order > 1 else 0.0))

    return lambda x, order=0: wave(x, order).imag


def total(*parts):
    return lambda x, order=0: sum(part(x, order) for part in parts)


def product(a, b):
    def function(x, order=0):
        return sum(math.comb(order, j) * a(x, j) * b(x, order - j) for j in range(order + 1))

    return function


class Known:
    """Σ Π of functions of one variable each: products are tuples, one function for each dimension."""

    def __init__(self, *products):
        self.products = products
        self.n_dims = len(products[0])

    def __call__(self, grid, orders=None):
        """On the grid."""
        return self.at(np.meshgrid(*grid, indexing="ij"), orders)

    def at(self, columns, orders=None):
        """At points, an array of coordinates for each dimension."""
        orders = orders or (0,) * self.n_dims
        return sum(
            math.prod(f(x, k) for f, x, k in zip(p, columns, orders, strict=True)) for p in self.products
        )

    def __add__(self, other):
        return Known(*self.products, *other.products)

    def laplacian(self, grid):
        axes = range(self.n_dims)
        return sum(self(grid, tuple(2 * (a == b) for b in axes)) for a in axes)

    def poisson(self, grid):
        return self.laplacian(grid)

    def allen_cahn(self, grid):
        u = self(grid)
        return self.laplacian(grid) + u * (u * u - 1.0)

    def advection(self, grid, beta):
        return beta * self(grid, (1, 0)) + self(grid, (0, 1))


def boundary(u, grid, kinds="dirichlet", faces=None):
    """Data of the faces, NaN elsewhere; ``faces`` are pairs (axis, side), all by default."""
    n_dims = len(grid)
    kinds = (kinds,) * n_dims if isinstance(kinds, str) else kinds
    data = np.full(tuple(map(len, grid)), np.nan)
    for kind in ("neumann", "dirichlet"):  # edges hold values where there are any
        for axis in range(n_dims):
            for side in (0, 1):
                if kinds[axis] != kind or (faces is not None and (axis, side) not in faces):
                    continue
                orders = tuple(int(kind == "neumann" and a == axis) for a in range(n_dims))
                face = (slice(None),) * axis + (-side,)
                sign = -1.0 if kind == "neumann" and side == 0 else 1.0
                data[face] = sign * u(grid, orders)[face]
    return data


def relative(found, expected):
    """Distance over the size of what is expected."""
    return float(np.linalg.norm(np.asarray(found) - expected) / (np.linalg.norm(expected) or 1.0))
