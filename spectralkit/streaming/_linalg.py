"""Small dense pieces in array-API operations, for rows that may also be a CSR matrix."""

import numpy as np
import scipy.sparse as sp

from spectralkit._core.dtypes import dtype_name
from spectralkit._core.namespaces import from_host, is_numpy


def is_complex(array):
    """Return whether an array is complex; of NumPy's dtypes the kind is asked, since their names are slow."""
    kind = getattr(array.dtype, "kind", None)
    return kind == "c" if kind is not None else dtype_name(array.dtype).startswith("complex")


def zeros(shape, like, xp):
    """Return zeros of the dtype and on the device of rows, which may be a CSR matrix."""
    return (
        xp.zeros(shape, dtype=like.dtype)
        if is_numpy(xp)
        else xp.zeros(shape, dtype=like.dtype, device=like.device)
    )


def adjoint(a, xp):
    """Return the conjugate transpose of a matrix."""
    if sp.issparse(a):
        return a.conj().T
    return xp.conj(a.T) if is_complex(a) else a.T


def row_norms_sq(rows, xp):
    """Return the squared norms of the rows."""
    if sp.issparse(rows):
        return np.asarray(abs(rows).power(2).sum(axis=1)).ravel()
    if isinstance(rows, np.ndarray) and rows.dtype.kind == "f":
        return np.einsum("ij,ij->i", rows, rows)  # no array of the squares
    magnitude = xp.abs(rows)
    return xp.sum(magnitude * magnitude, axis=1)


def column_means(rows, xp):
    """Return the mean of the rows."""
    if sp.issparse(rows):
        return np.asarray(rows.mean(axis=0)).ravel()
    return xp.mean(rows, axis=0)


def column_dots(a, b, xp):
    """Return the real parts of the inner products of matching columns."""
    product = (xp.conj(a) if is_complex(a) else a) * b
    return xp.sum(xp.real(product) if is_complex(product) else product, axis=0)


def orthonormal_columns(a, xp):
    """Return an orthonormal basis whose leading columns span those of ``a``."""
    return xp.linalg.qr(a)[0]


def top_eigenpairs(matrix, k, xp):
    """Return the ``k`` largest eigenvalues of a Hermitian matrix, descending, and their eigenvectors."""
    if isinstance(matrix, np.ndarray) and matrix.shape[0] > 64:
        # LAPACK's subset driver stops after the wanted vectors; the array API has none.
        from scipy.linalg import eigh

        n = matrix.shape[0]
        values, vectors = eigh(matrix, subset_by_index=[n - k, n - 1], check_finite=False)
    else:
        values, vectors = xp.linalg.eigh(matrix)
        values, vectors = values[-k:], vectors[:, -k:]
    return xp.flip(values, axis=0), xp.flip(vectors, axis=1)


def random_columns(rng, d, k, like, xp):
    """Draw a (d, k) matrix of independent standard normal entries, of the library and dtype of ``like``."""
    draw = rng.standard_normal((d, k))
    if is_complex(like):
        draw = draw + 1j * rng.standard_normal((d, k))
    return from_host(draw, xp, like)


def fix_signs(vectors, xp):
    """Turn each row so that its entry of largest modulus is real and positive: one answer for any solver."""
    if vectors.shape[0] == 0:
        return vectors
    peak = xp.argmax(xp.abs(vectors), axis=1)
    columns = xp.arange(vectors.shape[1], device=getattr(vectors, "device", None))
    entry = xp.sum(xp.where(columns[None, :] == peak[:, None], vectors, xp.zeros_like(vectors)), axis=1)
    modulus = xp.abs(entry)
    phase = entry / xp.where(modulus > 0, modulus, xp.ones_like(modulus))
    phase = xp.where(modulus > 0, phase, xp.ones_like(phase))
    if is_complex(phase):
        phase = xp.conj(phase)
    return vectors * phase[:, None]
