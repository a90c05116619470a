"""A CountSketch of the stream, small and linear, that judges candidate subspaces."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from spectralkit._core.namespaces import from_host, is_numpy, to_host
from spectralkit._core.random import block_rng
from spectralkit.streaming._linalg import row_norms_sq, zeros
from spectralkit.streaming._moments import Moments, absorb, merge_moments

# Buckets: the energy of a direction is estimated to about sqrt(2 / 64) = 18 %, with errors largely shared
# between candidates.
BUCKETS = 64
# The default is kept unless another candidate is judged better by more than this share: among good
# candidates the sketch cannot see the differences that matter.
MARGIN = 0.05


@dataclass(frozen=True)
class RefereeState:
    """Sums of the rows, with random signs, in buckets."""

    sketch: Any  # (BUCKETS, d)
    blocks: int
    moments: Moments
    entropy: int

    @classmethod
    def start(cls, config, like, xp, entropy):
        """Return the state before the first row."""
        return cls(zeros((BUCKETS, like.shape[1]), like, xp), 0, Moments(), entropy)

    def rescaled(self, factor):
        """Return the state of the same stream multiplied by ``factor``."""
        return replace(self, sketch=self.sketch * factor, moments=self.moments.rescaled(factor))

    def update(self, rows, norms_sq, config, xp, *, overwrite=False):
        """Return the state after one block of rows."""
        moments, rows = absorb(self.moments, rows, norms_sq, config.center, xp)
        sketch = self._scattered(rows, xp)
        return replace(self, sketch=sketch, blocks=self.blocks + 1, moments=moments)

    def _scattered(self, rows, xp):
        m = rows.shape[0]
        signs = block_rng(self.entropy, 1, self.blocks).choice((-1.0, 1.0), size=m)
        scatter = sp.csr_array((signs, (np.arange(m) % BUCKETS, np.arange(m))), shape=(BUCKETS, m))
        if not is_numpy(xp):
            dense = xp.astype(from_host(scatter.toarray(), xp, rows), rows.dtype, copy=False)
            return self.sketch + dense @ rows
        added = scatter @ rows
        return self.sketch + (added.toarray() if sp.issparse(added) else added)

    def merge(self, other, config, xp):
        """Return the state of both streams together; fresh signs keep equal seeds from correlating."""
        moments, correction = merge_moments(self.moments, other.moments, xp)
        rows = other.sketch
        if correction is not None:
            rows = xp.concat((rows, correction[None, :]), axis=0)
        blocks = self.blocks + other.blocks
        merged = replace(self, blocks=blocks)._scattered(rows, xp)
        return replace(self, sketch=merged, blocks=blocks + 1, moments=moments)

    def judge(self, vectors, xp):
        """Return the estimated energy of the stream in the span of orthonormal rows."""
        return float(to_host(xp.sum(row_norms_sq(self.sketch @ vectors.T, xp))))
