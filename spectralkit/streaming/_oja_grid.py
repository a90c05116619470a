"""Oja's rule at a grid of constant rates, with the growth certificate of Price and Xun."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from spectralkit._core.namespaces import from_host, is_numpy, to_host
from spectralkit._core.random import block_rng
from spectralkit.streaming._config import CERTIFICATE, HEADROOM, grid_size
from spectralkit.streaming._linalg import adjoint, is_complex, random_columns, row_norms_sq
from spectralkit.streaming._moments import Moments, absorb
from spectralkit.streaming._spectrum import Spectrum


@dataclass(frozen=True)
class OjaGridState:
    """A vector for each rate, its growth, and the heaviest row.

    Neither the scale nor the length of the stream is known: the grid is a window of rates that moves
    down as energy arrives. A rate that enters late starts from a fresh vector, which loses nothing, since
    at so small a rate the rows before would not have moved it.
    """

    vectors: Any  # (g, d), unit rows
    log_norms: np.ndarray  # (g,)
    exponents: np.ndarray  # (g,), ascending: the rates are 2**-exponent / unit
    unit: float  # energy of the first block that has any, so that the grid follows the scale of the data
    lam: np.ndarray  # (g,), running mean of the squared scores
    heaviest: Any  # (d,)
    heaviest_sq: float
    moments: Moments
    entropy: int

    @classmethod
    def start(cls, config, like, xp, entropy):
        """Return the state before the first row."""
        d = like.shape[1]
        g = grid_size(d)
        vectors = random_columns(block_rng(entropy, 2), d, g, like, xp).T
        vectors = vectors / xp.sqrt(row_norms_sq(vectors, xp))[:, None]
        return cls(
            vectors,
            np.zeros(g),
            np.arange(HEADROOM + 1 - g, HEADROOM + 1),
            0.0,
            np.zeros(g),
            vectors[0, :] * 0,
            0.0,
            Moments(),
            entropy,
        )

    @property
    def n_samples(self):
        """Rows seen."""
        return self.moments.n

    def rescaled(self, factor):
        """Return the state of the same stream multiplied by ``factor``, a power of two.

        The rates are divided by its square through their exponents, which cannot underflow.
        """
        return replace(
            self,
            exponents=self.exponents + 2 * round(math.log2(factor)),
            lam=self.lam * factor**2,
            heaviest=self.heaviest * factor,
            heaviest_sq=self.heaviest_sq * factor**2,
            moments=self.moments.rescaled(factor),
        )

    def update(self, rows, norms_sq, config, xp, *, overwrite=False):
        """Return the state after one block of rows."""
        if sp.issparse(rows):
            rows = rows.toarray()
        moments, rows = absorb(self.moments, rows, norms_sq, config.center, xp)
        if moments.frobenius_sq == 0.0:
            return replace(self, moments=moments)
        if config.center:
            norms_sq = to_host(row_norms_sq(rows, xp))
        state = self._moved_window(moments.frobenius_sq, rows, xp)
        rates = np.ldexp(1.0 / state.unit, -state.exponents)
        log_norms, energies = state.log_norms.copy(), np.zeros(len(rates))
        if is_numpy(xp) and rows.dtype.kind == "f":
            from spectralkit.streaming._oja_grid_numba import grid_step

            vectors = np.array(state.vectors, order="C")
            grid_step(np.ascontiguousarray(rows), rates, vectors, log_norms, energies)
        else:
            vectors = _grid_step(rows, rates, state.vectors, log_norms, energies, xp)
        m = rows.shape[0]
        blend = 2 * m / (moments.n + m) if state.lam.any() else 1.0
        peak = int(np.argmax(norms_sq))
        heaviest, heaviest_sq = state.heaviest, state.heaviest_sq
        if norms_sq[peak] > heaviest_sq:
            heaviest = xp.asarray(adjoint(rows[peak : peak + 1, :], xp)[:, 0], copy=True)
            heaviest_sq = float(norms_sq[peak])
        return replace(
            state,
            vectors=vectors,
            log_norms=log_norms,
            lam=state.lam + (energies / m - state.lam) * min(blend, 1.0),
            heaviest=heaviest,
            heaviest_sq=heaviest_sq,
            moments=moments,
        )

    def _moved_window(self, energy, rows, xp):
        """Return the state with smaller rates in the place of the largest, as the energy seen asks for."""
        if self.unit == 0.0:
            return replace(self, unit=energy)
        smallest = math.ceil(math.log2(energy) - math.log2(self.unit)) + HEADROOM
        shift = smallest - int(self.exponents[-1])
        g = len(self.exponents)
        if shift <= 0:
            return self
        fresh = min(shift, g)
        new = random_columns(
            block_rng(self.entropy, 3, smallest % 2**32), self.vectors.shape[1], fresh, rows, xp
        ).T
        new = new / xp.sqrt(row_norms_sq(new, xp))[:, None]
        zeros = np.zeros(fresh)
        return replace(
            self,
            vectors=xp.concat((self.vectors[fresh:, :], new), axis=0),
            log_norms=np.concatenate((self.log_norms[fresh:], zeros)),
            lam=np.concatenate((self.lam[fresh:], np.full(fresh, self.lam[-1]))),
            exponents=np.arange(smallest - g + 1, smallest + 1),
        )

    def spectrum(self, k, config, xp):
        """Return the vector of the smallest rate with the certificate, or else the heaviest row."""
        d = self.vectors.shape[1]
        certified = np.flatnonzero(self.log_norms >= CERTIFICATE * max(math.log(d), 1.0))
        if len(certified):
            chosen = int(certified[-1])
            vector, value = self.vectors[chosen, :], self.moments.n * self.lam[chosen]
        elif self.heaviest_sq > 0:
            vector, value = self.heaviest / self.heaviest_sq**0.5, self.heaviest_sq
        else:
            vector, value = self.vectors[0, :], 0.0
        return Spectrum(
            np.array([value]), vector[None, :], self.moments.n, self.moments.mean, self.moments.frobenius_sq
        )


def _grid_step(rows, rates, vectors, log_norms, energies, xp):
    """Return the vectors after all rows: the readable form of ``_oja_grid_numba.grid_step``."""
    rates_xp = from_host(rates, xp, vectors)
    for i in range(rows.shape[0]):
        row = rows[i, :]
        conjugate = xp.conj(row) if is_complex(row) else row
        scores = vectors @ row
        energies += to_host(xp.abs(scores)) ** 2
        vectors = vectors + (rates_xp * scores)[:, None] * conjugate[None, :]
        norms = xp.sqrt(row_norms_sq(vectors, xp))
        vectors = vectors / norms[:, None]
        log_norms += np.log(to_host(norms))
    return vectors
