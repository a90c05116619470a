"""The product of spherical functions by the fast Fourier transform on the torus."""

import math

import array_api_compat
import numpy as np

from spectralkit._core.namespaces import from_host
from spectralkit._core.parallel import block_ranges
from spectralkit.equivariant._legendre import gauss_legendre, legendre_functions

# Values of a tile of rows, which has at least 64: with fewer the calls would take longer than the work.
_TILE_VALUES = 2**18


class TorusTransform:
    """
    Products of spherical functions through Fourier coefficients in both angles.

    When the polar angle runs around the whole circle, with its sine signed, a harmonic is a trigonometric
    polynomial in it too. Functions are then polynomials on a torus, and their coefficients are convolved.
    """

    def __init__(self, lmaxs, lmax_out):
        self.lmax_out = lmax_out
        self.n = 2 * sum(lmaxs) + 1
        theta = 2.0 * math.pi * np.arange(self.n) / self.n
        self.forward = [_series(lmax, theta) for lmax in lmaxs]
        self.backward = _integrals(lmax_out, sum(lmaxs), self.n)

    def product(self, x1, x2, xp):
        """Return the coefficients of products, row by row."""
        n, size = x1.shape[0], (self.lmax_out + 1) ** 2
        y = xp.empty((n, size), dtype=x1.dtype, device=array_api_compat.device(x1))
        for start, stop in block_ranges(n, max(64, _TILE_VALUES // self.n**2)):
            y[start:stop, :] = self._tile(x1[start:stop, :], x2[start:stop, :], xp)
        return y

    def _tile(self, x1, x2, xp):
        values = self._values(x1, self.forward[0], xp) * self._values(x2, self.forward[1], xp)
        spectrum = xp.fft.fft(xp.fft.rfft(values, axis=-1), axis=-2) / self.n**2
        rows = [None] * (self.lmax_out + 1) ** 2
        for m, table in enumerate(self.backward):
            part = xp.matmul(spectrum[..., m], _as_complex(table.T, xp, spectrum))
            for k in range(part.shape[-1]):
                l = m + k  # noqa: E741
                rows[l * l + l + m] = xp.real(part[..., k])
                if m:
                    rows[l * l + l - m] = -1.0 * xp.imag(part[..., k])
        return xp.stack(rows, axis=-1)

    def _values(self, x, series, xp):
        """Return values on the torus, of shape (rows, n, n)."""
        parts = []
        for m, table in enumerate(series):
            l = np.arange(m, len(series))  # noqa: E741
            cosine = xp.take(x, from_host(l * l + l + m, xp, x), axis=-1)
            sine = xp.take(x, from_host(l * l + l - m, xp, x), axis=-1)
            coefficients = cosine - 1j * sine if m else cosine + 0j * sine
            parts.append(xp.matmul(coefficients, _as_complex(table, xp, coefficients)))
        spectrum = xp.stack(parts, axis=-1)
        return xp.fft.irfft(xp.fft.ifft(spectrum, axis=-2), n=self.n, axis=-1) * float(self.n**2)


def _as_complex(table, xp, like):
    return xp.astype(from_host(np.ascontiguousarray(table), xp, like), like.dtype)


def _series(lmax, theta):
    """Return, for each order, the Fourier coefficients of its Legendre functions as (l, frequency)."""
    P = legendre_functions(lmax, np.cos(theta))
    tables = []
    for m in range(lmax + 1):
        sign = np.where(np.sin(theta) < 0.0, (-1.0) ** m, 1.0)
        norm = 0.5 / math.sqrt(math.pi) if m else 1.0 / math.sqrt(2.0 * math.pi)
        tables.append(norm * np.fft.fft(P[m:, m] * sign, axis=-1) / len(theta))
    return tables


def _integrals(lmax, degree, n):
    """Return ``∫ e^{iuθ} P_lm sin θ dθ`` over half the circle, in the same layout.

    Of even orders only cosines of uθ are present in a product, of odd ones only sines: then the integrands
    are polynomials in cos θ.
    """
    nodes, weights = gauss_legendre(lmax + degree)
    P = legendre_functions(lmax, nodes)
    u = np.fft.fftfreq(n, 1.0 / n)[:, None] * np.arccos(nodes.astype(np.float64))
    tables = []
    for m in range(lmax + 1):
        norm = 2.0 * math.sqrt(math.pi) if m else math.sqrt(2.0 * math.pi)
        tables.append(norm * (P[m:, m] * weights) @ (1j * np.sin(u) if m % 2 else np.cos(u)).T)
    return tables
