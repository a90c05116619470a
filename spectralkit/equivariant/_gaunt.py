"""Gaunt coefficients: integrals of three real spherical harmonics."""

import functools
import math

import numpy as np

from spectralkit.equivariant._arguments import check_degree
from spectralkit.equivariant._legendre import gauss_legendre, legendre_functions


def gaunt_coefficients(l1, l2, l3):
    """
    Return the integrals of triples of real spherical harmonics that are not zero.

    ``∫ Y_i Y_j Y_k`` over the unit sphere, of all harmonics up to three degrees. The number grows as the
    fifth power of the degree, and so does the cost.

    Parameters
    ----------
    l1, l2, l3 : int
        Largest degrees.

    Returns
    -------
    indices : array of shape (nnz, 3), int64
        Places ``l*l + l + m`` of the three harmonics, in increasing order.
    values : array of shape (nnz,)
        The integrals, in float64.

    Raises
    ------
    ValueError
        If a degree is negative.

    See Also
    --------
    gaunt_tensor_product : Products of functions, of which these are the coefficients.

    Notes
    -----
    They vanish unless ``l1 + l2 + l3`` is even, the degrees satisfy the triangle inequality, and the orders
    add up: one of ``m1 ± m2 ± m3`` is 0 for their moduli, with an even number of sines. Computed by
    Gauss-Legendre quadrature, exact up to rounding.

    Examples
    --------
    >>> from spectralkit.equivariant import gaunt_coefficients
    >>> indices, values = gaunt_coefficients(1, 1, 2)
    >>> len(values)
    21
    >>> indices[0], values[0].round(6)  # three constants: 1 / sqrt(4 pi)
    (array([0, 0, 0]), np.float64(0.282095))
    """
    degrees = tuple(check_degree(name, value) for name, value in (("l1", l1), ("l2", l2), ("l3", l3)))
    return _coefficients(*degrees)


def _coefficients(l1, l2, l3):
    nodes, weights = gauss_legendre(l1 + l2 + l3)
    P = legendre_functions(max(l1, l2, l3), nodes)
    found = []
    for a in range(l1 + 1):
        for b in range(l2 + 1):
            for c in {a + b, abs(a - b)}:
                if c <= l3:
                    found += _of_orders(P, weights, (l1, l2, l3), (a, b, c))
    indices = np.concatenate([indices for indices, _ in found])
    values = np.concatenate([values for _, values in found])
    # Some vanish that no rule forbids; quadrature leaves rounding errors there.
    order = np.lexsort(indices.T[::-1])
    order = order[np.abs(values[order]) > 1e-14]
    return indices[order], values[order]


def _of_orders(P, weights, lmax, orders):
    """Return the integrals for three moduli of orders, with all signs that do not vanish."""
    parts = [P[m : top + 1, m] for m, top in zip(orders, lmax, strict=True)]
    pairs = (parts[0] * weights)[:, None] * parts[1]
    integrals = (pairs.reshape(-1, len(weights)) @ parts[2].T).reshape(*pairs.shape[:2], -1)
    l = np.ix_(*(np.arange(m, top + 1) for m, top in zip(orders, lmax, strict=True)))  # noqa: E741
    allowed = ((l[0] + l[1] + l[2]) % 2 == 0) & (l[2] <= l[0] + l[1]) & (l[2] >= np.abs(l[0] - l[1]))
    at = np.nonzero(allowed)
    degrees = [m + index for m, index in zip(orders, at, strict=True)]
    for signs in np.ndindex(2, 2, 2):
        if any(sign and not m for sign, m in zip(signs, orders, strict=True)):
            continue
        factor = _trigonometric(*(-m if sign else m for sign, m in zip(signs, orders, strict=True)))
        if factor:
            m = [-m if sign else m for sign, m in zip(signs, orders, strict=True)]
            places = [l * l + l + order for l, order in zip(degrees, m, strict=True)]  # noqa: E741
            yield np.stack(places, axis=1), factor * integrals[at]


@functools.cache
def _trigonometric(*orders):
    """Return the integral of three functions of φ, cosines for m > 0 and sines for m < 0."""
    n = sum(map(abs, orders)) + 1
    phi = 2.0 * math.pi * np.arange(n) / n
    product = np.ones(n)
    for m in orders:
        wave = np.cos(m * phi) if m > 0 else np.sin(-m * phi) if m else math.sqrt(0.5)
        product = product * wave / math.sqrt(math.pi)
    integral = float(product.sum()) * 2.0 * math.pi / n
    return integral if abs(integral) > 1e-10 else 0.0
