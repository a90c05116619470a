"""The exact d x d Gram matrix: no gap, no order, no approximation, d squared numbers."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from spectralkit._core.namespaces import is_numpy, to_host
from spectralkit.streaming._linalg import adjoint, top_eigenpairs
from spectralkit.streaming._moments import Moments, absorb, merge_moments
from spectralkit.streaming._spectrum import Spectrum


@dataclass(frozen=True)
class GramState:
    """The Gram matrix of the (centred) rows; on NumPy only its upper triangle is kept up."""

    gram: Any  # (d, d)
    moments: Moments

    @classmethod
    def start(cls, config, like, xp, entropy):
        """Return the state before the first row."""
        d = like.shape[1]
        if is_numpy(xp):
            return cls(np.zeros((d, d), dtype=like.dtype, order="F"), Moments())
        return cls(xp.zeros((d, d), dtype=like.dtype, device=like.device), Moments())

    @property
    def n_samples(self):
        """Rows seen."""
        return self.moments.n

    def rescaled(self, factor):
        """Return the state of the same stream multiplied by ``factor``."""
        return replace(self, gram=self.gram * factor**2, moments=self.moments.rescaled(factor))

    def update(self, rows, norms_sq, config, xp, *, overwrite=False):
        """Return the state after one block of rows; with ``overwrite`` this one's matrix is reused."""
        if sp.issparse(rows) and not config.center:
            product = (rows.conj().T @ rows).tocoo()
            gram = self.gram.copy()
            gram[product.row, product.col] += product.data
            total = self.moments.frobenius_sq + float(norms_sq.sum())
            return GramState(gram, Moments(self.moments.n + rows.shape[0], None, total))
        # Centred, a CSR block becomes dense: next to a dense d x d matrix it is small.
        moments, rows = absorb(self.moments, rows, norms_sq, config.center, xp)
        if not is_numpy(xp):
            return GramState(self.gram + adjoint(rows, xp) @ rows, moments)
        return GramState(_rank_update(self.gram, rows, overwrite), moments)

    def merge(self, other, config, xp):
        """Return the state of both streams together, exactly."""
        moments, correction = merge_moments(self.moments, other.moments, xp)
        gram = self.gram + other.gram
        if correction is not None:
            row = correction[None, :]
            gram = gram + adjoint(row, xp) @ row
        return GramState(gram, moments)

    def spectrum(self, k, config, xp):
        """Return the top of the spectrum by a dense eigensolver."""
        gram = self.gram
        d = gram.shape[0]
        if is_numpy(xp):
            upper = np.triu(gram, 1)
            gram = upper + upper.conj().T + np.diag(np.diagonal(gram).real)
        values, vectors = top_eigenpairs(gram, min(k + 1, d), xp)
        values = np.maximum(to_host(values), 0.0)
        return Spectrum(values, vectors.T, self.moments.n, self.moments.mean, self.moments.frobenius_sq)


def _rank_update(gram, rows, overwrite):
    """Return ``gram + rows* rows``, in its upper triangle, by the BLAS routine made for it."""
    from scipy.linalg.blas import dsyrk, zherk

    # BLAS reads columns: the transpose of C-ordered rows is Fortran-ordered without a copy.
    columns = np.ascontiguousarray(rows).T
    if gram.dtype.kind == "c":
        # columns @ columns* is the conjugate of the matrix wanted.
        return zherk(1.0, np.conj(columns), beta=1.0, c=gram, overwrite_c=overwrite)
    return dsyrk(1.0, columns, beta=1.0, c=gram, overwrite_c=overwrite)
