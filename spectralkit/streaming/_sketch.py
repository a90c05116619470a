"""The sketch of frequent directions: deterministic, mergeable, with a certificate."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from spectralkit._core.namespaces import from_host, to_host
from spectralkit._core.parallel import block_ranges
from spectralkit.streaming._linalg import adjoint, orthonormal_columns, zeros
from spectralkit.streaming._moments import Moments, absorb, merge_moments
from spectralkit.streaming._spectrum import Spectrum

EPS = np.finfo(np.float64).eps


@dataclass(frozen=True)
class FrequentDirectionsState:
    """The sketch: ``size`` orthogonal rows, descending, some of them zero; and the sum of its shrinkages."""

    sketch: Any  # (size, d)
    norms_sq: np.ndarray  # (size,), the squared norms of the sketch rows, on the host
    alpha: float
    error_bound: float
    moments: Moments

    @classmethod
    def start(cls, config, like, xp, entropy, *, alpha=None):
        """Return the state before the first row."""
        shape = (config.sketch_size, like.shape[1])
        alpha = config.alpha if alpha is None else alpha
        return cls(zeros(shape, like, xp), np.zeros(shape[0]), alpha, 0.0, Moments())

    @property
    def n_samples(self):
        """Rows seen."""
        return self.moments.n

    def rescaled(self, factor):
        """Return the state of the same stream multiplied by ``factor``."""
        return replace(
            self,
            sketch=self.sketch * factor,
            norms_sq=self.norms_sq * factor**2,
            error_bound=self.error_bound * factor**2,
            moments=self.moments.rescaled(factor),
        )

    def update(self, rows, norms_sq, config, xp, *, overwrite=False):
        """Return the state after one block of rows."""
        if sp.issparse(rows):
            # The sketch is dense in any case: as many rows at a time become dense as it has.
            state = self
            for start, stop in block_ranges(rows.shape[0], self.sketch.shape[0]):
                state = state.update(rows[start:stop].toarray(), norms_sq[start:stop], config, xp)
            return state
        moments, rows = absorb(self.moments, rows, norms_sq, config.center, xp)
        folded = self._fold(rows, xp)
        bound = folded.error_bound
        if config.center:
            # Centring rounds each entry to EPS of the mean; over the blocks these sum to at most
            # 2 EPS |mean| sqrt(n) ||A||_F, by Cauchy and Schwarz.
            size = float(to_host(xp.linalg.vector_norm(moments.mean)))
            added = max(moments.frobenius_sq - self.moments.frobenius_sq, 0.0)
            bound += 2 * EPS * size * math.sqrt(rows.shape[0]) * (math.sqrt(added) + EPS * size)
        return replace(folded, moments=moments, error_bound=bound)

    def _fold(self, rows, xp):
        """Fold rows into the sketch, some of them at a time."""
        size = self.sketch.shape[0]
        sketch, norms_sq, bound = self.sketch, self.norms_sq, self.error_bound
        # The eigenproblem costs (size + step)^3 for step rows: per row that is flat from step = size to
        # 2 size, and the longer step shrinks less often. Equal steps, so that none is short.
        count = rows.shape[0]
        step = math.ceil(count / math.ceil(count / max(2 * size, 16))) if count else 1
        for start, stop in block_ranges(rows.shape[0], step):
            sketch, norms_sq, shrinkage = _shrink(sketch, norms_sq, rows[start:stop, :], self.alpha, xp)
            bound += shrinkage
        return replace(self, sketch=sketch, norms_sq=norms_sq, error_bound=bound)

    def merge(self, other, config, xp):
        """Return the state of both streams together; the certificate holds for the union."""
        moments, correction = merge_moments(self.moments, other.moments, xp)
        rows = other.sketch
        if correction is not None:
            rows = xp.concat((rows, correction[None, :]), axis=0)
        merged = replace(self, error_bound=self.error_bound + other.error_bound)._fold(rows, xp)
        return replace(merged, moments=moments)

    def spectrum(self, k, config, xp):
        """Return the leading rows of the sketch, normalised."""
        size, d = self.sketch.shape
        wanted = min(k + 1, size, d)
        values = self.norms_sq[:wanted]
        # Rows are orthogonal up to rounding of the largest: QR makes the small ones so too, and completes
        # the basis where the stream has fewer directions than asked for.
        scale = np.sqrt(np.where(values > 0, values, 1.0))
        columns = adjoint(self.sketch[:wanted, :], xp) / from_host(scale, xp, self.sketch)[None, :]
        span = orthonormal_columns(columns, xp)
        return Spectrum(
            values,
            span.T,
            self.moments.n,
            self.moments.mean,
            self.moments.frobenius_sq,
            error_bound=self.error_bound,
        )


def _shrink(sketch, norms_sq, rows, alpha, xp):
    """Return sketch and squared norms with ``rows`` folded in, and the shrinkage paid for it.

    The eigenvectors U of the small Gram matrix of all rows rotate them into orthogonal ones; the squared
    norms of the last ``alpha`` share of the sketch lose delta, the largest eigenvalue that finds no place.
    Every direction loses at most delta, so delta bounds the error in the 2-norm. Rows are rotated, never
    divided by a singular value, so small ones come out with a backward error at rounding level.
    """
    size = sketch.shape[0]
    values, vectors = xp.linalg.eigh(_gram_of_stack(sketch, norms_sq, rows, xp))
    values = np.maximum(to_host(values)[::-1], 0.0)
    vectors = xp.flip(vectors, axis=1)[:, :size]
    delta = values[size]
    kept = values[:size].copy()
    kept[size - math.ceil(alpha * size) :] -= delta
    ratio = np.divide(kept, values[:size], out=np.zeros(size), where=values[:size] > 0)
    rotation = adjoint(vectors * from_host(np.sqrt(ratio), xp, vectors)[None, :], xp)
    folded = rotation[:, :size] @ sketch + rotation[:, size:] @ rows
    # Rotating n rows is exact to about n units of rounding of the largest eigenvalue.
    return folded, kept, float(delta + len(values) * EPS * values[0])


def _gram_of_stack(sketch, norms_sq, rows, xp):
    """Return the Gram matrix of the sketch above the rows; the sketch has orthogonal rows of known norms."""
    cross, own = rows @ adjoint(sketch, xp), rows @ adjoint(rows, xp)
    if isinstance(own, np.ndarray):
        # NumPy's eigh reads the lower triangle alone.
        size = len(norms_sq)
        gram = np.zeros((size + len(own), size + len(own)), dtype=own.dtype)
        gram[:size, :size].flat[:: size + 1] = norms_sq
        gram[size:, :size] = cross
        gram[size:, size:] = own
        return gram
    diagonal = xp.astype(from_host(np.diag(norms_sq), xp, sketch), own.dtype, copy=False)
    top = xp.concat((diagonal, adjoint(cross, xp)), axis=1)
    return xp.concat((top, xp.concat((cross, own), axis=1)), axis=0)
