"""Names of a package, loaded at first use from the module that its stub says."""

import importlib
import pathlib
import re

# Stub lines read `from ._module import name as name`, or `from . import module as module`.
_IMPORT = re.compile(r"^from (\.[\w.]*) import (\w+) as (\w+)$", re.MULTILINE)


def attach_stub(package, filename):
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` of a package whose stub lists its names.

    The stub is the one list of public names: editors and type checkers read it, and so does this function.
    A regular expression reads it because importing ``ast`` would cost more than all the rest of
    ``import spectralkit``.
    """
    stub = pathlib.Path(filename).with_suffix(".pyi").read_text(encoding="utf-8")
    origin = {name: module for module, _, name in _IMPORT.findall(stub)}
    names = sorted(origin)

    def __getattr__(name):  # noqa: N807
        if name not in origin:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if origin[name] == ".":
            return importlib.import_module(f"{package}.{name}")
        return getattr(importlib.import_module(origin[name], package), name)

    def __dir__():  # noqa: N807
        return names

    return __getattr__, __dir__, names
