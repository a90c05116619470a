"""What every function does first with an array argument, and with ``out``; and units that change no digit."""

import math

import array_api_compat
import numpy as np

from spectralkit._core.checks import invalid
from spectralkit._core.dtypes import dtype_name
from spectralkit._core.namespaces import array_namespace, is_numpy


def as_numbers(name, value):
    """Return an array of any library; of NumPy for lists.

    Masks raise TypeError: what they hide would count. Gradients are not recorded.
    """
    if isinstance(value, np.ma.MaskedArray):
        remedy = "Fill it, or drop what is masked."
        raise TypeError(invalid(name, "an array without a mask", "type MaskedArray", remedy))
    if array_api_compat.is_array_api_obj(value):
        return value.detach() if array_api_compat.is_torch_array(value) else value
    try:
        return np.asarray(value)
    except ValueError:
        remedy = "Give all rows one length."
        raise ValueError(invalid(name, "an array of numbers", "rows of different lengths", remedy)) from None


def check_out(out, shape, dtype, **inputs):
    """Raise unless ``out`` is an array to write results to, of the library of the inputs."""
    if not array_api_compat.is_array_api_obj(out):
        raise TypeError(invalid("out", "an array", f"type {type(out).__name__}"))
    xp = array_namespace(**inputs, out=out)
    shape = tuple(shape)
    if tuple(out.shape) != shape or out.dtype != dtype:
        given = f"shape {tuple(out.shape)} and dtype {dtype_name(out.dtype)}"
        raise ValueError(invalid("out", f"of shape {shape} and dtype {dtype_name(dtype)}", given))
    if is_numpy(xp) and not out.flags.writeable:
        raise ValueError(invalid("out", "writeable", "a read-only array"))


def power_of_two(array, xp):
    """Return the power of two at or below the largest modulus of the entries; 1 for zeros, and for none."""
    if 0 in array.shape:
        return 1.0
    with np.errstate(over="ignore"):
        largest = min(float(xp.max(xp.abs(array))), float(xp.finfo(array.dtype).max))  # moduli may overflow
    # Not the smallest subnormals: their inverses overflow.
    return math.ldexp(1.0, max(math.frexp(largest)[1] - 1, -1000)) if largest > 0.0 else 1.0
