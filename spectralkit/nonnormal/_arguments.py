"""Checks of square matrices that the functions of this family share."""

import array_api_compat
import numpy as np
from scipy.sparse.linalg import ArpackError, svds

from spectralkit._core.arrays import as_numbers
from spectralkit._core.checks import invalid
from spectralkit._core.dtypes import working_dtype_name
from spectralkit._core.namespaces import array_namespace, is_numpy, library_name


def as_square(name, A):
    """Return a finite square matrix in double precision, and the dtype name of the results."""
    A = _on_host(name, A)
    dtype = working_dtype_name(name, A.dtype)
    if A.ndim != 2 or A.shape[0] != A.shape[1]:
        raise ValueError(invalid(name, "square", f"shape {A.shape}"))
    if not A.size:
        raise ValueError(invalid(name, "non-empty", f"shape {A.shape}"))
    A = A.astype(np.complex128 if dtype.startswith("complex") else np.float64)
    if not np.isfinite(A).all():
        raise ValueError(invalid(name, "finite", "NaN or infinity"))
    return A, dtype


def as_points(z):
    """Return finite complex points."""
    points = _on_host("z", z)
    if points.dtype.kind not in "biufc":
        raise TypeError(invalid("z", "numeric", f"dtype {points.dtype}", "Give real or complex numbers."))
    points = points.astype(np.complex128)
    if not np.isfinite(points).all():
        raise ValueError(invalid("z", "finite", "NaN or infinity"))
    return points


def as_reals(name, values):
    """Return real numbers in double precision."""
    values = _on_host(name, values)
    if values.dtype.kind not in "biuf":
        raise TypeError(invalid(name, "real numbers", f"dtype {values.dtype}"))
    return values.astype(np.float64)


def _on_host(name, array):
    """Return a NumPy array, of nothing that another library made."""
    if array_api_compat.is_array_api_obj(array) and not is_numpy(array_namespace(array=array)):
        given = f"an array of {library_name(array_namespace(array=array))}"
        remedy = "Copy it to the host: nonsymmetric eigenproblems are solved by LAPACK."
        raise TypeError(invalid(name, "a NumPy array", given, remedy))
    return as_numbers(name, array)


def complex_name(dtype):
    """Return the complex dtype name of the same precision."""
    return {"float32": "complex64", "float64": "complex128"}.get(dtype, dtype)


def real_name(dtype):
    """Return the real dtype name of the same precision."""
    return {"complex64": "float32", "complex128": "float64"}.get(dtype, dtype)


def spectral_norm(M):
    """Return the 2-norm of a matrix, by iteration where all singular values would cost too much."""
    if len(M) > 200:
        start = np.random.default_rng(0).standard_normal(len(M))
        try:
            return float(svds(M, 1, v0=start, maxiter=10, return_singular_vectors=False)[0])
        except ArpackError:
            pass  # singular values that are nearly equal, as of a unitary matrix
    return float(np.linalg.norm(M, 2))
