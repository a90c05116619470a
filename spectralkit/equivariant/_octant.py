"""Spherical functions on an eighth of a Gauss-Legendre grid, by their parities."""

import math

import numpy as np

from spectralkit._core.parallel import block_ranges
from spectralkit.equivariant._legendre import gauss_legendre, legendre_functions
from spectralkit.equivariant._product_numba import gather, multiply_parities, scatter

# Bytes of the values of a tile of rows: they stay in the second cache.
_TILE_BYTES = 2**19


class OctantGrid:
    """
    Products and powers of spherical functions by values on a grid that integrates them exactly.

    A harmonic is even or odd under each of the reflections of the three axes, so that its values on one
    eighth of the grid are enough: by reflection of z with the parity of l + m, by that of y for cosines and
    sines, and by that of x with the parity of m. Both steps of a transform, Legendre functions and
    trigonometric ones, are real matrix products over a tile of rows.
    """

    def __init__(self, degree, lmaxs, dtype):
        nodes, weights = gauss_legendre(degree, even=True)
        half = nodes > 0.0
        # Multiples of 4, half a step off the axes: no point is its own mirror image.
        n_phi = 4 * (degree // 4 + 1)
        phi = 2.0 * math.pi * (np.arange(n_phi // 4) + 0.5) / n_phi
        self.dtype = np.dtype(dtype)
        self.shape = len(phi), int(half.sum())
        angles = phi, nodes[half], weights[half] * (16.0 * math.pi / n_phi)
        self.transforms = [_Transform(lmax, *angles, self.dtype) for lmax in lmaxs]
        points = 8 * len(phi) * int(half.sum())
        self.tile = max(64, min(512, _TILE_BYTES // (points * self.dtype.itemsize) // 64 * 64))

    def product(self, x1, x2):
        """Return the coefficients of products, row by row."""
        first, second, third = self.transforms
        y = np.empty((len(x1), third.size), dtype=self.dtype)
        for start, stop in block_ranges(len(x1), self.tile):
            values = first.synthesis(x1[start:stop], self.shape)
            multiply_parities(values, second.synthesis(x2[start:stop], self.shape))
            third.analysis(values, self.shape, y[start:stop])
        return y

    def power(self, x, nu):
        """Return the coefficients of powers, by repeated squaring."""
        first, last = self.transforms
        y = np.empty((len(x), last.size), dtype=self.dtype)
        for start, stop in block_ranges(len(x), self.tile):
            base, values = first.synthesis(x[start:stop], self.shape), None
            for bit in range(nu.bit_length()):
                if nu >> bit & 1:
                    if values is None:
                        values = base.copy()
                    else:
                        multiply_parities(values, base)
                if nu >> bit > 1:
                    multiply_parities(base, base)
            last.analysis(values, self.shape, y[start:stop])
        return y


class _Transform:
    """Between coefficients up to a degree and values by parity."""

    def __init__(self, lmax, phi, nodes, weights, dtype):
        self.size = (lmax + 1) ** 2
        P = legendre_functions(lmax, nodes)
        self.place = np.empty(self.size, dtype=np.int64)
        self.parities, row = [], 0
        for parity in range(8):
            of_z, of_y, of_x = parity >> 2, parity >> 1 & 1, parity & 1
            # Under φ -> π - φ cosines take the sign (-1)^m, sines the other one.
            orders = [m for m in range(of_y, lmax + 1) if (m + of_y) % 2 == of_x]
            trigonometric, legendre = [], []
            for m in orders:
                l = np.arange(m + of_z, lmax + 1, 2)  # noqa: E741
                if not l.size:
                    continue
                self.place[l * l + l + (-m if of_y else m)] = np.arange(row, row + l.size)
                synthesis, analysis = P[l, m].T, P[l, m] * weights
                rows = slice(row, row + l.size)
                legendre.append((rows, *(np.ascontiguousarray(M, dtype) for M in (synthesis, analysis))))
                wave = np.sin(m * phi) if of_y else np.cos(m * phi)
                trigonometric.append(wave / math.sqrt(math.pi if m else 2.0 * math.pi))
                row += l.size
            waves = np.array(trigonometric, dtype=dtype).reshape(len(trigonometric), len(phi))
            self.parities.append((legendre, np.ascontiguousarray(waves.T), waves))

    def synthesis(self, x, shape):
        """Return values of shape (8, points times rows) of the functions in the rows of ``x``."""
        n_phi, n_theta = shape
        tile = np.empty((self.size, len(x)), dtype=x.dtype)
        gather(x, self.place, tile)
        values = np.empty((8, n_phi, n_theta * len(x)), dtype=x.dtype)
        for (legendre, waves, _), out in zip(self.parities, values, strict=True):
            if not legendre:
                out[:] = 0.0
                continue
            parts = np.empty((len(legendre), n_theta, len(x)), dtype=x.dtype)
            for (rows, P, _), part in zip(legendre, parts, strict=True):
                np.dot(P, tile[rows], out=part)
            np.dot(waves, parts.reshape(len(legendre), -1), out=out)
        return values.reshape(8, -1)

    def analysis(self, values, shape, y):
        """Write the coefficients of functions to the rows of ``y``."""
        n_phi, n_theta = shape
        values = values.reshape(8, n_phi, -1)
        tile = np.empty((self.size, len(y)), dtype=y.dtype)
        for (legendre, _, waves), part in zip(self.parities, values, strict=True):
            if legendre:
                parts = np.dot(waves, part).reshape(len(legendre), n_theta, -1)
                for (rows, _, P), function in zip(legendre, parts, strict=True):
                    np.dot(P, function, out=tile[rows])
        scatter(tile, self.place, y)
