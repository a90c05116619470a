"""The base of every result class."""

import dataclasses
import html
import numbers

import numpy as np

# Arrays up to this many elements show their values, larger ones their shape and dtype.
_SHOWN_ELEMENTS = 5


class Result:
    """Base of the frozen dataclasses that functions return: aligned repr, HTML table, ``asdict``.

    Subclasses are decorated with ``@dataclass(frozen=True, repr=False, eq=False)``. What is large or costly
    is a ``functools.cached_property``: it is computed at first use and is no field.
    """

    def asdict(self):
        """
        Return the public fields as a dictionary, arrays uncopied.

        Returns
        -------
        dict
            Field names and values, in the order of the class.
        """
        names = (field.name for field in dataclasses.fields(self))
        return {name: getattr(self, name) for name in names if not name.startswith("_")}

    def __repr__(self):
        fields = self.asdict()
        width = max(map(len, fields), default=0)
        lines = [f"{name:>{width + 2}}: {_show(value)}" for name, value in fields.items()]
        return "\n".join([type(self).__name__, *lines])

    def _repr_html_(self):
        rows = "".join(
            f"<tr><th style='text-align:right'>{name}</th>"
            f"<td style='text-align:left'>{html.escape(_show(value))}</td></tr>"
            for name, value in self.asdict().items()
        )
        return f"<table><caption>{type(self).__name__}</caption>{rows}</table>"


def _show(value):
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        # Only host arrays show values: reading another device for a repr would be a hidden copy.
        if isinstance(value, np.ndarray | np.generic) and value.size <= _SHOWN_ELEMENTS and value.ndim <= 1:
            return np.array2string(value, precision=6, separator=", ")
        shape = "x".join(map(str, value.shape)) or "scalar"
        return f"array {shape}, {str(value.dtype).rpartition('.')[2]}"
    if isinstance(value, Result):
        return type(value).__name__
    if isinstance(value, list | tuple) and value and any(hasattr(item, "shape") for item in value):
        return f"{type(value).__name__} of {len(value)}: " + "; ".join(map(_show, value[:3]))
    if isinstance(value, bool | numbers.Integral):
        return str(value)
    if isinstance(value, numbers.Number):
        return format(value, ".6g")
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 200 else text[:197] + "..."
