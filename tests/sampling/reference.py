"""Orthonormal polynomials, quadrature rules and moments of point processes, from SciPy alone."""

import math
from functools import reduce

import numpy as np
from scipy import special


def polynomial(family, n, x):
    """The orthonormal polynomial of degree n, with positive leading coefficient."""
    if family == "legendre":
        return math.sqrt(2 * n + 1) * special.eval_legendre(n, x)
    if family == "chebyshev":
        return (math.sqrt(2) if n else 1) * special.eval_chebyt(n, x)
    if family == "hermite":
        return special.eval_hermitenorm(n, x) * math.exp(-0.5 * math.lgamma(n + 1))
    if family == "laguerre":
        return (-1) ** n * special.eval_laguerre(n, x)
    _, a, b = family
    if n == 0:
        return np.ones_like(x)
    logs = [math.lgamma(n + a + 1), math.lgamma(n + b + 1), math.lgamma(a + b + 2)]
    logs += [-math.lgamma(n + 1), -math.lgamma(n + a + b + 1), -math.lgamma(a + 1), -math.lgamma(b + 1)]
    return special.eval_jacobi(n, a, b, x) / math.sqrt(math.exp(math.fsum(logs)) / (2 * n + a + b + 1))


def gauss_1d(family, n):
    """Nodes and weights of mass 1."""
    if family == "chebyshev":
        nodes, weights = special.roots_chebyt(n)
    elif family == "hermite":
        nodes, weights = special.roots_hermitenorm(n)
    elif family == "laguerre":
        nodes, weights = special.roots_laguerre(n)
    elif family == "legendre":
        nodes, weights = special.roots_legendre(n)
    else:
        nodes, weights = special.roots_jacobi(n, family[1], family[2])
    return nodes, weights / weights.sum()


def gauss(families, n):
    """Nodes of shape (n^d, d) and weights of a product rule."""
    rules = [gauss_1d(family, n) for family in families]
    grids = np.meshgrid(*(nodes for nodes, _ in rules), indexing="ij")
    weights = reduce(np.multiply.outer, (weights for _, weights in rules))
    return np.stack([grid.ravel() for grid in grids], axis=1), weights.ravel()


def evaluate(families, indices, X):
    """Products of univariate polynomials, each function on its own."""
    columns = []
    for index in indices:
        factors = zip(families, index, X.T, strict=True)
        columns.append(math.prod(polynomial(family, int(k), x) for family, k, x in factors))
    return np.stack(columns, axis=1)


def linear_statistic(families, indices, function, n=80):
    """Mean and variance of the sum of a function over the points of the determinantal process."""
    X, weights = gauss(families, n)
    Phi, values = evaluate(families, indices, X), function(X)
    first = (Phi * (weights * values)[:, None]).T @ Phi
    second = (Phi * (weights * values**2)[:, None]).T @ Phi
    return np.trace(first), np.trace(second) - np.sum(first**2)


def z_mean(samples, mean):
    """How many standard errors the sample mean is away."""
    return (np.mean(samples, axis=0) - mean) / (np.std(samples, axis=0, ddof=1) / math.sqrt(len(samples)))


def z_variance(samples, variance):
    """How many standard errors the sample variance is away."""
    squares = (samples - np.mean(samples)) ** 2
    return (np.mean(squares) - variance) / (np.std(squares, ddof=1) / math.sqrt(len(samples)))
