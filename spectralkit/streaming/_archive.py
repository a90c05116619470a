"""Nested dataclasses on disk as plain arrays: an .npz archive, read without pickle."""

import dataclasses
import json
import zipfile

import array_api_compat
import numpy as np
import scipy.sparse as sp

from spectralkit._core.checks import invalid
from spectralkit._core.namespaces import to_host

_FORMAT = "spectralkit-stream-1"


def write_archive(path, value):
    """Write a dataclass: its arrays as they are, and its structure as a JSON text beside them."""
    arrays = {}
    structure = json.dumps({"format": _FORMAT, "state": _pack(value, arrays)})
    with open(path, "wb") as file:
        np.savez(file, structure=np.asarray(structure), **arrays)


def read_archive(path, kinds):
    """Return the dataclass in a file; ``kinds`` lists the classes that it may be made of."""
    wrong = invalid("path", f"a file of format {_FORMAT} that save has written", str(path))
    with open(path, "rb") as file:
        try:
            archive = np.load(file, allow_pickle=False)
            structure = json.loads(str(archive["structure"]))
            if structure["format"] != _FORMAT:
                raise ValueError(structure["format"])
            return _unpack(structure["state"], archive, {kind.__name__: kind for kind in kinds})
        except (
            AttributeError,
            EOFError,
            IndexError,
            KeyError,
            TypeError,
            ValueError,
            zipfile.BadZipFile,
        ) as error:
            raise ValueError(wrong) from error


def _pack(value, arrays):
    if dataclasses.is_dataclass(value):
        fields = {f.name: _pack(getattr(value, f.name), arrays) for f in dataclasses.fields(value)}
        return {"kind": type(value).__name__, "fields": fields}
    if sp.issparse(value):
        parts = [_pack(part, arrays) for part in (value.data, value.indices, value.indptr)]
        return {"csr": parts, "shape": list(value.shape)}
    if isinstance(value, dict):
        return {"dict": {name: _pack(entry, arrays) for name, entry in value.items()}}
    if isinstance(value, (tuple, list)):
        return {"tuple": [_pack(entry, arrays) for entry in value]}
    if array_api_compat.is_array_api_obj(value) and not isinstance(value, np.generic):
        name = f"a{len(arrays)}"
        arrays[name] = to_host(value)
        return {"array": name}
    return {"value": value.item() if isinstance(value, np.generic) else value}


def _unpack(packed, archive, kinds):
    if "kind" in packed:
        fields = {name: _unpack(entry, archive, kinds) for name, entry in packed["fields"].items()}
        return kinds[packed["kind"]](**fields)
    if "csr" in packed:
        return sp.csr_matrix(
            tuple(_unpack(p, archive, kinds) for p in packed["csr"]), shape=tuple(packed["shape"])
        )
    if "dict" in packed:
        return {name: _unpack(entry, archive, kinds) for name, entry in packed["dict"].items()}
    if "tuple" in packed:
        return tuple(_unpack(entry, archive, kinds) for entry in packed["tuple"])
    if "array" in packed:
        return archive[packed["array"]]
    return packed["value"]
