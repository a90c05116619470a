"""States read back from disk."""

from spectralkit._core.checks import invalid
from spectralkit.streaming._archive import read_archive
from spectralkit.streaming._config import Config
from spectralkit.streaming._heavy import HeavyStore
from spectralkit.streaming._moments import Moments
from spectralkit.streaming._order import History
from spectralkit.streaming._referee import RefereeState
from spectralkit.streaming._stream import STATES, StreamState

_KINDS = (*STATES.values(), Config, HeavyStore, History, Moments, RefereeState, StreamState)


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
    state = read_archive(path, _KINDS)
    if not isinstance(state, StreamState):
        raise ValueError(invalid("path", "a file with the state of a stream", f"a {type(state).__name__}"))
    return state
