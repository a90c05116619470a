"""Checks of factors, measurements and hyperparameters that the functions of this family share."""

import math

import numpy as np

from spectralkit._core.arrays import as_numbers
from spectralkit._core.checks import check_number, invalid
from spectralkit._core.dtypes import dtype_name, dtype_of, output_dtype_name, working_dtype_name
from spectralkit._core.namespaces import array_namespace, to_host


def as_factors(name, factors, **others):
    """
    Return the factors of a Kronecker product as matrices, and the namespace that they share with ``others``.

    Parameters
    ----------
    name : str
        What to call them in messages.
    factors : sequence of arrays of shape (m_i, n_i), or one such array
        The factors, left to right.
    **others : arrays
        What has to be of the same library and device.

    Returns
    -------
    list of arrays of shape (m_i, n_i)
        Finite, not empty, in the dtypes given.
    namespace
        The array namespace.
    """
    if hasattr(factors, "ndim") and factors.ndim == 2:
        factors = [factors]
    elif hasattr(factors, "ndim") and factors.ndim != 3:
        remedy = "One matrix is given as it is, or in a list."
        raise ValueError(invalid(name, "a sequence of matrices", f"shape {tuple(factors.shape)}", remedy))
    try:
        factors = [as_array(f"{name}[{i}]", factor, 2) for i, factor in enumerate(factors)]
    except TypeError as error:
        if "not iterable" not in str(error):
            raise
        raise TypeError(invalid(name, "a sequence of matrices", f"type {type(factors).__name__}")) from None
    if not factors:
        raise ValueError(invalid(name, "at least one matrix", "an empty sequence"))
    xp = array_namespace(**{f"{name}[{i}]": factor for i, factor in enumerate(factors)}, **others)
    for i, factor in enumerate(factors):
        check_finite(f"{name}[{i}]", factor, xp)
    return factors, xp


def as_array(name, value, ndim=None):
    """Return a non-empty numeric array of ``ndim`` dimensions; of any number but zero for None."""
    value = as_numbers(name, value)
    if value.dtype == object and value.ndim == 0:
        raise TypeError(invalid(name, "an array of numbers", f"type {type(value.item()).__name__}"))
    output_dtype_name(name, value.dtype)
    if value.ndim == 0 or ndim not in (None, value.ndim):
        wanted = "an array" if ndim is None else f"{ndim}-dimensional"
        raise ValueError(invalid(name, wanted, f"shape {tuple(value.shape)}"))
    if 0 in value.shape:
        raise ValueError(invalid(name, "non-empty", f"shape {tuple(value.shape)}"))
    return value


def check_finite(name, array, xp):
    """Raise ValueError if an array has entries that are not finite."""
    if not bool(xp.all(xp.isfinite(xp.astype(array, dtype_of(xp, working_dtype_name(name, array.dtype)))))):
        raise ValueError(invalid(name, "finite", "NaN or infinity", "Drop or impute those entries."))


def as_vectors(name, X, sizes, what):
    """
    Return vectors of the length of a Kronecker product as columns.

    Parameters
    ----------
    name : str
        What to call them in messages.
    X : array of shape (N,), (N, L) or (n_1, .., n_I)
        One vector, several, or one as a tensor in C order.
    sizes : tuple of ints
        The n_i; N is their product.
    what : str
        What the n_i are, in words.

    Returns
    -------
    array of shape (N, L)
        The vectors in columns.
    """
    size = math.prod(sizes)
    if X.shape[0] == size and X.ndim <= 2:
        return X if X.ndim == 2 else X[:, None]
    if tuple(X.shape) == tuple(sizes):
        return array_namespace(X=X).reshape(X, (size, 1))
    constraint = f"of shape ({size},), ({size}, L) or {tuple(sizes)}, after {what}"
    raise ValueError(invalid(name, constraint, f"shape {tuple(X.shape)}"))


def as_problem(Y, dictionaries):
    """
    Return what a linear inverse problem consists of, checked.

    Parameters
    ----------
    Y : array of shape (M,), (M, L) or (m_1, .., m_I)
        Measurements.
    dictionaries : sequence of arrays of shape (m_i, n_i), or one such array
        The factors.

    Returns
    -------
    columns : array of shape (M, L)
        The measurements in columns, in double precision.
    factors : list of arrays of shape (m_i, n_i)
        The factors, in double precision and of the same kind.
    single : bool
        Whether the measurements were one vector, and not columns.
    dtype : str
        Name of the dtype in which results come back.
    xp : namespace
        The namespace that all share.
    """
    Y = as_array("Y", Y)
    factors, xp = as_factors("dictionaries", dictionaries, Y=Y)
    check_finite("Y", Y, xp)
    columns = as_vectors("Y", Y, tuple(f.shape[0] for f in factors), "the rows of the dictionaries")
    named = {**{f"dictionaries[{i}]": factor for i, factor in enumerate(factors)}, "Y": Y}
    dtype = common_dtype(named, xp)
    working = dtype_of(xp, double(dtype))
    single = Y.ndim == 1 or Y.shape[0] != columns.shape[0]
    factors = [xp.astype(factor, working, copy=False) for factor in factors]
    return xp.astype(columns, working, copy=False), factors, single, dtype, xp


def common_dtype(arrays, xp):
    """Return the name of the dtype in which results for the named ``arrays`` come back."""
    names = [output_dtype_name(name, array.dtype) for name, array in arrays.items()]
    if all(name in ("float16", "bfloat16") for name in names) and len(set(names)) == 1:
        return names[0]
    dtypes = [dtype_of(xp, working_dtype_name(name, array.dtype)) for name, array in arrays.items()]
    return dtype_name(xp.result_type(*dtypes))


def double(name):
    """Return the double-precision dtype name of the same kind."""
    return "complex128" if name.startswith("complex") else "float64"


def real(name):
    """Return the real dtype name of the same precision."""
    return {"complex64": "float32", "complex128": "float64"}.get(name, name)


def as_gammas(gammas, factors):
    """Return hyperparameters as host arrays in double precision, one for each factor, of its columns."""
    if hasattr(gammas, "ndim") and gammas.ndim == 1 and len(factors) == 1:
        gammas = [gammas]
    constraint = f"{len(factors)} vectors, one for each factor"
    if not hasattr(gammas, "__len__"):
        raise TypeError(invalid("gammas", constraint, f"type {type(gammas).__name__}"))
    if len(gammas) != len(factors):
        raise ValueError(invalid("gammas", constraint, f"{len(gammas)} of them"))
    checked = []
    for i, (gamma, factor) in enumerate(zip(gammas, factors, strict=True)):
        name = f"gammas[{i}]"
        gamma = as_array(name, gamma)
        if dtype_name(gamma.dtype).startswith("complex"):
            raise TypeError(invalid(name, "real: they are variances", f"dtype {dtype_name(gamma.dtype)}"))
        if tuple(gamma.shape) != (factor.shape[1],):
            constraint = f"of shape ({factor.shape[1]},), one for each column of factor {i}"
            raise ValueError(invalid(name, constraint, f"shape {tuple(gamma.shape)}"))
        gamma = np.asarray(to_host(gamma), np.float64)
        if not (np.isfinite(gamma).all() and (gamma >= 0.0).all()):
            raise ValueError(invalid(name, "finite and non-negative", "a negative or infinite number or NaN"))
        checked.append(gamma)
    return checked


def check_noise_var(noise_var):
    """Return a noise variance as a positive float."""
    remedy = "It is the variance of the noise in each measurement."
    return check_number("noise_var", noise_var, 0.0, open_low=True, remedy=remedy)


def cast(array, dtype, xp, what="the result"):
    """Return an array in the dtype of a name; raise ValueError where numbers leave its range."""
    with np.errstate(over="ignore"):
        array = xp.astype(array, dtype_of(xp, dtype), copy=False)
    if not bool(xp.all(xp.isfinite(array))):
        remedy = "Scale the measurements or the dictionaries, or pass float64."
        raise ValueError(invalid(what, f"within the range of {dtype}", "an overflow", remedy))
    return array
