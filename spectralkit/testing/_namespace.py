"""Functions that keep to the array library of their input."""

import dataclasses

import numpy as np


def assert_namespace_preserved(function, *arrays, **options):
    """
    Assert that a function given arrays of another library answers in that library.

    The arrays go in as ``array_api_strict`` arrays, which refuse to become NumPy arrays silently. Every
    array in the result (tuples, lists, dictionaries and dataclasses are searched) has to be one too. With
    two or more arrays, each of them in turn is left a NumPy array, and the function must raise TypeError.

    Parameters
    ----------
    function : callable
        Called as ``function(*arrays, **options)``.
    *arrays : array
        NumPy arrays to be converted; None is passed on as it is.
    **options
        Passed on to ``function`` as they are.

    Returns
    -------
    object
        What the function returned for strict arrays, to compare with its NumPy answer.

    Raises
    ------
    AssertionError
        If an array of another library comes back, or mixed libraries are accepted.
    ImportError
        If array-api-strict is not installed.

    See Also
    --------
    check_ratio : Compare the two answers.

    Examples
    --------
    >>> import numpy as np
    >>> from array_api_compat import array_namespace
    >>> from spectralkit.testing import assert_namespace_preserved
    >>> def centre(X):
    ...     return X - array_namespace(X).mean(X, axis=0)
    >>> result = assert_namespace_preserved(centre, np.eye(3))
    """
    try:
        import array_api_strict
    except ImportError as error:
        raise ImportError(
            "assert_namespace_preserved needs array-api-strict; install it with pip install array-api-strict."
        ) from error

    def strict(array):
        return None if array is None else array_api_strict.asarray(array)

    result = function(*map(strict, arrays), **options)
    strict_array = type(array_api_strict.asarray(0.0))
    for where, array in _arrays(result, "result"):
        if not isinstance(array, strict_array):
            raise AssertionError(f"{where} is a {type(array).__module__} array; expected array_api_strict")

    given = [position for position, array in enumerate(arrays) if array is not None]
    for left in given if len(given) > 1 else []:
        mixed = [array if position == left else strict(array) for position, array in enumerate(arrays)]
        try:
            function(*mixed, **options)
        except TypeError:
            continue
        raise AssertionError(
            f"argument {left} as a NumPy array among array_api_strict ones did not raise TypeError"
        )
    return result


def _arrays(value, where):
    """Yield the place and the array for every array in a nested value; Python and NumPy scalars are none."""
    if isinstance(value, np.generic):
        return
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        yield where, value
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _arrays(getattr(value, field.name), f"{where}.{field.name}")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _arrays(item, f"{where}[{key!r}]")
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            yield from _arrays(item, f"{where}[{position}]")
