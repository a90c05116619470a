"""Block power iteration on the light rows of a random-order stream, as Kacham and Woodruff publish it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spectralkit._core.namespaces import from_host, to_host
from spectralkit._core.random import block_rng
from spectralkit.streaming._heavy import HeavyStore
from spectralkit.streaming._linalg import adjoint, orthonormal_columns, random_columns, top_eigenpairs
from spectralkit.streaming._moments import Moments
from spectralkit.streaming._oja import OjaState
from spectralkit.streaming._order import History
from spectralkit.streaming._spectrum import Spectrum


@dataclass(frozen=True)
class BlockPowerState(OjaState):
    """The iterate, its image under the rows of the current stretch, and the heavy rows.

    Each power step takes the scatter of a fresh stretch of the stream, twice as long as the last, since
    the length of the stream is not known.
    """

    image: Any  # (d, 1), the scatter of the stretch so far times the iterate
    counted: int  # rows of the stretch so far
    stretch: int  # rows after which the stretch is complete

    @classmethod
    def start(cls, config, like, xp, entropy):
        """Return the state before the first row."""
        basis = orthonormal_columns(random_columns(block_rng(entropy, 0), like.shape[1], 1, like, xp), xp)
        lam = from_host(np.zeros(1), xp, basis)
        heavy, history = HeavyStore.empty(like, xp), History.empty()
        return cls(basis, lam, 0.0, Moments(), heavy, history, basis * 0, 0, config.block_size)

    def rescaled(self, factor):
        """Return the state of the same stream multiplied by ``factor``."""
        return replace(super().rescaled(factor), image=self.image * factor**2)

    def fast_forward(self, rows, scale, config):
        """Return this state and 0: there is no compiled path."""
        return self, 0

    def first(self, rows, mean, config, xp):
        """Start from the random vector: the published algorithm does not look at the first rows twice."""
        return None

    def step(self, products, ell, m, config, xp, gain=1.0):
        """Add the scatter of m rows; at the end of the stretch the image becomes the iterate."""
        image, counted = self.image + products, self.counted + m
        lam = self.lam + (ell - self.lam) * (m / counted)
        if counted < self.stretch:
            return replace(self, image=image, counted=counted, lam=lam, t=self.t + m / config.block_size)
        norm = float(to_host(xp.linalg.vector_norm(image)))
        basis = image / norm if norm > 0 else self.basis
        return replace(
            self,
            basis=basis,
            image=image * 0,
            counted=0,
            stretch=2 * self.stretch,
            lam=lam,
            t=self.t + m / config.block_size,
        )

    def spectrum(self, k, config, xp):
        """Return the better of two candidates: the iterate, and the principal heavy row."""
        basis = self.basis
        # An unfinished stretch of at least half its length gives a better iterate than the last whole one.
        norm = float(to_host(xp.linalg.vector_norm(self.image)))
        if norm > 0 and 2 * self.counted >= self.stretch:
            basis = self.image / norm
        rows, mean, fro = self.pooled_heavy_rows(config, xp)
        light = self.light.n * float(to_host(self.lam)[0])
        energy = light + float(to_host(xp.linalg.vector_norm(rows @ basis))) ** 2
        if rows.shape[0]:
            values, vectors = top_eigenpairs(rows @ adjoint(rows, xp), 1, xp)
            heavy = float(to_host(values)[0])
            if heavy > energy:
                direction = adjoint(rows, xp) @ vectors
                basis, energy = direction / xp.linalg.vector_norm(direction), heavy
        return Spectrum(np.array([energy]), basis.T, self.n_samples, mean, fro, heavy_rows=self.heavy.rows)
