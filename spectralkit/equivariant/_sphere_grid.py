"""Spherical functions on a whole Gauss-Legendre grid, for arrays of any library: two matrices."""

import math

import numpy as np

from spectralkit.equivariant._harmonics import spherical_harmonics
from spectralkit.equivariant._kept import kept
from spectralkit.equivariant._legendre import gauss_legendre


def sphere_quadrature(degree):
    """Return unit vectors and weights that integrate spherical polynomials up to ``degree`` exactly."""
    nodes, weights = gauss_legendre(degree)
    nodes = nodes.astype(np.float64)
    n = degree + 1
    phi = 2.0 * math.pi * np.arange(n) / n
    sine = np.sqrt((1.0 - nodes) * (1.0 + nodes))[:, None]
    points = np.stack([sine * np.cos(phi), sine * np.sin(phi), np.repeat(nodes[:, None], n, axis=1)], axis=-1)
    return points.reshape(-1, 3), np.repeat(weights * 2.0 * math.pi / n, n)


class SphereGrid:
    """Synthesis of coefficients to values, and analysis back, as dense matrix products."""

    def __init__(self, degree, lmaxs, lmax_out):
        points, weights = sphere_quadrature(degree)
        Y = spherical_harmonics(max(*lmaxs, lmax_out), points)
        self.synthesis = [np.ascontiguousarray(Y[:, : (lmax + 1) ** 2].T) for lmax in lmaxs]
        self.analysis = Y[:, : (lmax_out + 1) ** 2] * weights[:, None]


sphere_grid = kept(SphereGrid)
