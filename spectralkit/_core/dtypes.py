"""Which dtype a computation runs in, and which it returns."""

import numpy as np

from spectralkit._core.checks import invalid

# The dtypes that are kept as they are, by name, in every namespace.
KEPT = ("float32", "float64", "complex64", "complex128")
_HALF = ("float16", "bfloat16")
_DISCRETE = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def dtype_name(dtype):
    """Return ``float32`` for the float32 of any array library."""
    try:
        return np.dtype(dtype).name
    except TypeError:
        return str(dtype).rpartition(".")[2]


def dtype_of(xp, name):
    """Return the dtype of a namespace by its name; float16 is outside the standard and not in all of them."""
    return getattr(xp, name)


def working_dtype_name(name, dtype, *, allow_complex=True):
    """Return the name of the dtype that input of ``dtype`` is computed in.

    float32, float64 and their complex kin are kept, halves become float32, integers and bools float64.
    """
    given = dtype_name(dtype)
    if given.startswith("complex") and not allow_complex:
        remedy = "Pass its real and imaginary parts, or its modulus."
        raise TypeError(invalid(name, "real", f"dtype {given}", remedy))
    if given in KEPT:
        return given
    if given in _HALF:
        return "float32"
    if given in _DISCRETE:
        return "float64"
    raise TypeError(
        invalid(
            name,
            "of a real or complex floating, integer or boolean dtype",
            f"dtype {given}",
            "Convert it with astype(float64).",
        )
    )


def output_dtype_name(name, dtype):
    """Return the name of the dtype in which results for input of ``dtype`` come back."""
    given = dtype_name(dtype)
    return given if given in _HALF else working_dtype_name(name, dtype)


def eps(dtype):
    """Return the unit roundoff spacing of a real or complex dtype of any library."""
    name = dtype_name(dtype)
    return 2.0**-7 if name == "bfloat16" else float(np.finfo(name).eps)  # NumPy does not know bfloat16
