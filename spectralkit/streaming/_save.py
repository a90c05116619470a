"""States on disk as plain arrays: an .npz archive, read without pickle."""

import dataclasses
import json

import array_api_compat
import numpy as np
import scipy.sparse as sp

from spectralkit._core.checks import invalid
from spectralkit._core.namespaces import to_host
from spectralkit.streaming._block_power import BlockPowerState
from spectralkit.streaming._frequent_directions import FrequentDirectionsState
from spectralkit.streaming._gram import GramState
from spectralkit.streaming._heavy import HeavyStore
from spectralkit.streaming._moments import Moments
from spectralkit.streaming._oja import OjaState
from spectralkit.streaming._oja_grid import OjaGridState
from spectralkit.streaming._order import History
from spectralkit.streaming._referee import RefereeState
from spectralkit.streaming._stream import Config, StreamState

_KINDS = {
    kind.__name__: kind
    for kind in (
        BlockPowerState,
        Config,
        FrequentDirectionsState,
        GramState,
        HeavyStore,
        History,
        Moments,
        OjaGridState,
        OjaState,
        RefereeState,
        StreamState,
    )
}
_FORMAT = "spectralkit-stream-1"


def save_state(state, path):
    """Write a state: one array an array, and its structure as a JSON text beside them."""
    arrays = {}
    structure = json.dumps({"format": _FORMAT, "state": _pack(state, arrays)})
    with open(path, "wb") as file:
        np.savez(file, structure=np.asarray(structure), **arrays)


def load_state(path):
    """
    Read the state of a stream that ``save`` wrote.

    The file holds plain arrays and a JSON text, and is read without pickle: it is safe to read from
    others, and from any version of Python. Cost: one read of O(d) numbers times the rows kept.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    StreamState
        The state; ``StreamingPCA.from_state`` continues from it. Its arrays are NumPy's.

    Raises
    ------
    ValueError
        If the file does not hold a state of a stream.

    See Also
    --------
    tree_merge : Merge states that several processes wrote.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from spectralkit.streaming import StreamingPCA, load_state
    >>> pca = StreamingPCA(2).partial_fit(np.random.default_rng(0).standard_normal((100, 5)))
    >>> path = os.path.join(tempfile.mkdtemp(), "stream.npz")
    >>> pca.state_.save(path)
    >>> again = StreamingPCA.from_state(load_state(path))
    >>> bool(np.array_equal(again.components_, pca.components_))
    True
    """
    with np.load(path, allow_pickle=False) as archive:
        if "structure" not in archive:
            raise ValueError(invalid("path", "a file written by save", repr(str(path))))
        structure = json.loads(str(archive["structure"]))
        if structure.get("format") != _FORMAT:
            raise ValueError(invalid("path", f"a file of format {_FORMAT}", structure.get("format")))
        return _unpack(structure["state"], archive)


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


def _unpack(packed, archive):
    if "kind" in packed:
        fields = {name: _unpack(entry, archive) for name, entry in packed["fields"].items()}
        return _KINDS[packed["kind"]](**fields)
    if "csr" in packed:
        return sp.csr_matrix(tuple(_unpack(p, archive) for p in packed["csr"]), shape=tuple(packed["shape"]))
    if "dict" in packed:
        return {name: _unpack(entry, archive) for name, entry in packed["dict"].items()}
    if "tuple" in packed:
        return tuple(_unpack(entry, archive) for entry in packed["tuple"])
    if "array" in packed:
        return archive[packed["array"]]
    return packed["value"]
