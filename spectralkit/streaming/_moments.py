"""Count, mean and total squared norm of the rows seen, and the centring of blocks of rows."""

from dataclasses import dataclass, replace
from typing import Any

import scipy.sparse as sp

from spectralkit._core.namespaces import to_host
from spectralkit.streaming._linalg import column_means, row_norms_sq


@dataclass(frozen=True)
class Moments:
    """Rows counted, their mean (None unless centring), and the sum of squares about that mean."""

    n: int = 0
    mean: Any = None
    frobenius_sq: float = 0.0

    def rescaled(self, factor):
        """Return the moments of the same rows multiplied by ``factor``."""
        mean = None if self.mean is None else self.mean * factor
        return replace(self, mean=mean, frobenius_sq=self.frobenius_sq * factor**2)


def mean_shift(n, mean, m, mean_of_new, xp):
    """Return the pooled mean of two groups of rows, and the row that their separate centrings miss.

    Chan, Golub and LeVeque: the scatter about the pooled mean is the sum of the two scatters and of
    ``correction* correction``. The correction is None when the first group is empty.
    """
    if n == 0:
        return mean_of_new, None
    gap = mean_of_new - mean
    return mean + gap * (m / (n + m)), gap * (n * m / (n + m)) ** 0.5


def absorb(moments, rows, norms_sq, center, xp):
    """Return the moments with ``rows`` added, and the rows that an uncentred method should be fed.

    Uncentred these are the rows themselves. Centred they are the rows less their own mean, and the
    correction row; a CSR matrix becomes dense then, since its zeros move.
    """
    m = rows.shape[0]
    if not center:
        return Moments(moments.n + m, None, moments.frobenius_sq + float(norms_sq.sum())), rows
    if sp.issparse(rows):
        rows = rows.toarray()
    mean_of_new = column_means(rows, xp)
    rows = rows - mean_of_new[None, :]
    mean, correction = mean_shift(moments.n, moments.mean, m, mean_of_new, xp)
    if correction is not None:
        rows = xp.concat((rows, correction[None, :]), axis=0)
    total = float(to_host(xp.sum(row_norms_sq(rows, xp))))
    return Moments(moments.n + m, mean, moments.frobenius_sq + total), rows


def merge_moments(a, b, xp):
    """Return the moments of two groups of rows together, and the correction row (None if uncentred)."""
    if a.n == 0 or b.n == 0:
        return (b if a.n == 0 else a), None
    if a.mean is None:
        return Moments(a.n + b.n, None, a.frobenius_sq + b.frobenius_sq), None
    mean, correction = mean_shift(a.n, a.mean, b.n, b.mean, xp)
    extra = float(to_host(row_norms_sq(correction[None, :], xp))[0])
    return Moments(a.n + b.n, mean, a.frobenius_sq + b.frobenius_sq + extra), correction
