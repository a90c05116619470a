"""The store of heavy rows, kept exactly, and its exchange with the stream of light ones."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from spectralkit._core.namespaces import from_host
from spectralkit.streaming._linalg import zeros


@dataclass(frozen=True)
class HeavyStore:
    """The heaviest rows seen, as they came, with their squared norms on the host."""

    rows: Any
    norms_sq: np.ndarray

    @classmethod
    def empty(cls, like, xp):
        """Return a store without rows, for rows like these."""
        return cls(zeros((0, like.shape[1]), like, xp), np.empty(0))

    @property
    def total(self):
        """Sum of the squared norms."""
        return float(self.norms_sq.sum())

    @property
    def smallest(self):
        """Smallest squared norm, infinite when empty."""
        return float(self.norms_sq.min()) if len(self.norms_sq) else np.inf

    def rescaled(self, factor):
        """Return the store of the same rows multiplied by ``factor``."""
        return HeavyStore(self.rows * factor, self.norms_sq * factor**2)

    def exchange(self, rows, norms_sq, threshold, capacity, xp):
        """Take in the rows above the threshold, and give back the stored ones that fell under it.

        Returns
        -------
        store : HeavyStore
            At most ``capacity`` rows, all above the threshold, the heaviest of all candidates.
        light : list of (matrix, array)
            Every other row, each exactly once, with the squared norms: nothing is dropped.
        """
        everyone = np.concatenate((self.norms_sq, norms_sq))
        candidates = np.flatnonzero(everyone > threshold)
        if len(candidates) > capacity:
            heaviest = np.argsort(-everyone[candidates], kind="stable")[:capacity]
            candidates = np.sort(candidates[heaviest])
        held = len(self.norms_sq)
        if np.array_equal(candidates, np.arange(held)):
            return self, [(rows, norms_sq)] if len(norms_sq) else []
        chosen = np.zeros(len(everyone), dtype=bool)
        chosen[candidates] = True
        stays, enters = np.flatnonzero(chosen[:held]), np.flatnonzero(chosen[held:])
        evicted, passes = np.flatnonzero(~chosen[:held]), np.flatnonzero(~chosen[held:])
        light = [
            (take(source, indices, xp), figures[indices])
            for source, indices, figures in ((rows, passes, norms_sq), (self.rows, evicted, self.norms_sq))
            if len(indices)
        ]
        entering = take(rows, enters, xp)
        if sp.issparse(entering):
            entering = entering.toarray()
        kept = xp.concat(
            (take(self.rows, stays, xp), xp.astype(entering, self.rows.dtype, copy=False)), axis=0
        )
        store = replace(self, rows=kept, norms_sq=everyone[candidates])
        return store, light


def take(rows, indices, xp):
    """Return the rows with these host indices."""
    if sp.issparse(rows):
        return rows[indices]
    return xp.take(rows, from_host(indices, xp, rows), axis=0)
