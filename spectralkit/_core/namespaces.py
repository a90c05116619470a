"""Which array library and device an array belongs to."""

import array_api_compat
import array_api_compat.numpy as numpy_namespace
import numpy as np


def array_namespace(**arrays):
    """Return the array-API namespace that all named arrays share.

    ``None``, Python numbers and sequences count as NumPy. Arrays of two libraries, or on two devices,
    raise TypeError: nothing is ever copied between them silently.
    """
    seen = {}
    for name, array in arrays.items():
        if array is None:
            continue
        if array_api_compat.is_array_api_obj(array):
            xp = array_api_compat.array_namespace(array)
            device = None if xp is numpy_namespace else str(array_api_compat.device(array))
        else:
            xp, device = numpy_namespace, None
        seen.setdefault((xp, device), name)
    if len(seen) > 1:
        found = ", ".join(
            f"{name} from {library_name(xp)}" + (f" on {device}" if device else "")
            for (xp, device), name in seen.items()
        )
        raise TypeError(
            f"{' and '.join(seen.values())} must be arrays of one library on one device; got {found}. "
            "Convert them explicitly first."
        )
    return next(iter(seen), (numpy_namespace, None))[0]


def library_name(xp):
    """Return the short name of a namespace: ``numpy``, ``cupy``, ``torch``, ..."""
    return xp.__name__.removeprefix("array_api_compat.").split(".")[0]


def is_numpy(xp):
    """Return whether the compiled host path serves this namespace."""
    return xp is numpy_namespace


def to_host(array):
    """Copy a small array (row norms, eigenvalues) to NumPy, for control flow on the host."""
    if isinstance(array, (np.ndarray, np.generic)):
        return array
    if array_api_compat.is_cupy_array(array):
        return array.get()
    if array_api_compat.is_torch_array(array):
        array = array.detach().cpu()
        return array.float().numpy() if str(array.dtype) == "torch.bfloat16" else array.numpy()
    return np.from_dlpack(array)


def from_host(array, xp, like):
    """Copy a small NumPy array (a start vector, random signs) to the library and device of ``like``."""
    if is_numpy(xp):
        return array
    return xp.asarray(array, device=array_api_compat.device(like))
