"""The state of a stream whatever the method: scaling, regrouping, merging, and the choice of method."""

import math
import warnings
from dataclasses import dataclass, field, replace

import array_api_compat
import numpy as np
import scipy.sparse as sp

from spectralkit._core.callbacks import reporter
from spectralkit._core.checks import invalid
from spectralkit._core.dtypes import dtype_name, dtype_of, output_dtype_name, working_dtype_name
from spectralkit._core.namespaces import array_namespace, is_numpy, to_host
from spectralkit._core.random import block_rng
from spectralkit.streaming._archive import write_archive
from spectralkit.streaming._block_power import BlockPowerState
from spectralkit.streaming._config import APPROXIMATE, CANDIDATES, ONE_VECTOR, SEQUENTIAL, Config
from spectralkit.streaming._gram import GramState
from spectralkit.streaming._linalg import fix_signs, row_norms_sq
from spectralkit.streaming._oja import OjaState
from spectralkit.streaming._oja_grid import OjaGridState
from spectralkit.streaming._order import OrderWarning
from spectralkit.streaming._referee import MARGIN, RefereeState
from spectralkit.streaming._sketch import FrequentDirectionsState
from spectralkit.streaming._sources import dask_row_parts, is_dask, row_blocks

STATES = {
    "oja": OjaState,
    "block_power": BlockPowerState,
    "oja_grid": OjaGridState,
    "frequent_directions": FrequentDirectionsState,
    "incremental_svd": FrequentDirectionsState,
    "gram": GramState,
}
# Fourth powers of entries outside this range lose digits or overflow.
_SMALL, _LARGE = 1e-60, 1e60


@dataclass(frozen=True)
class StreamState:
    """
    All that is remembered of a stream: what ``merge``, ``save`` and the estimators work on.

    A state is never changed: merging and further rows give new ones. Estimators hold it as ``state_``; it
    takes O(d) memory times the rows that the method keeps. Everything in it is counted in units of
    ``2 ** exponent``, so that squares stay in range for data near the ends of the floating-point range.

    Attributes
    ----------
    config : Config
        The parameters on which states must agree to be merged.
    entropy : int
        Seed of the random choices.
    n_features : int or None
        Number of columns; None before the first row.
    dtype : str or None
        Name of the dtype of the results.
    exponent : int
        Binary exponent of the unit in which the rows are counted.
    pending : tuple of arrays
        Rows that wait for their block to fill.
    methods : dict
        State of each method by name.
    referee : RefereeState or None
        Sketch that judges between the methods.

    See Also
    --------
    tree_merge : Merge many states.
    load_state : Read a state from a file.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.streaming import StreamingPCA
    >>> state = StreamingPCA(2).fit(np.eye(4)).state_
    >>> state.n_samples, state.n_features
    (4, 4)
    """

    config: Config
    entropy: int
    n_features: int | None = None
    dtype: str | None = None  # of the results
    exponent: int = 0
    pending: tuple = ()  # rows that wait for their block to fill, in the units of the data
    methods: dict = field(default_factory=dict)
    referee: RefereeState | None = None

    @property
    def main(self):
        """State of the method asked for."""
        return self.methods[self.config.method]

    @property
    def n_samples(self):
        """Rows seen, pending ones included."""
        return (self.main.n_samples if self.methods else 0) + sum(block.shape[0] for block in self.pending)

    @property
    def sample(self):
        """An array of the library and on the device of the rows."""
        return self.pending[0] if self.pending else _first_array(self.main)

    @property
    def xp(self):
        """Array namespace of the rows."""
        return _namespace(self.sample)

    def squared(self, value):
        """
        Convert a squared quantity to the units of the data.

        Parameters
        ----------
        value : float
            An eigenvalue or a sum of squares, in the units of the state.

        Returns
        -------
        float
            The same in the units of the data; infinite where it overflows.
        """
        with np.errstate(over="ignore", under="ignore"):
            return float(np.ldexp(np.float64(value), 2 * self.exponent))

    def merge(self, other):
        """
        Merge with the state of another stream; see ``tree_merge`` for many.

        Parameters
        ----------
        other : StreamState
            A state with the same parameters, of rows of the same width.

        Returns
        -------
        StreamState
            The state of both streams together; the two are not changed.

        Raises
        ------
        ValueError
            If the parameters or the widths differ, or the method follows one stream.
        TypeError
            If ``other`` is no state, or holds arrays of another library.
        """
        return merge(self, other)

    def save(self, path):
        """
        Write the state to an ``.npz`` file of plain arrays; ``load_state`` reads it back.

        Parameters
        ----------
        path : str or path-like
            The file; it is overwritten.
        """
        write_archive(path, self)


def start(config, entropy):
    """Return the state of an empty stream."""
    return StreamState(config, entropy)


def update(state, rows, *, overwrite=False):
    """Return the state after the rows of a 2-D array or CSR matrix; with ``overwrite`` memory is reused."""
    rows, state = _admit(state, rows)
    n, size = rows.shape[0], state.config.rows_per_block(rows.shape[1])
    waiting = sum(block.shape[0] for block in state.pending)
    position = 0
    if waiting:
        position = min(size - waiting, n)
        pending = (*state.pending, _owned(rows, 0, position))
        state = replace(state, pending=pending)
        if waiting + position < size:
            return state
        state = _absorb_pending(state, overwrite)
    whole = (n - position) // size * size
    state = _absorb_all(state, rows, position, position + whole, overwrite)
    if position + whole < n:
        state = replace(state, pending=(_owned(rows, position + whole, n),))
    return state


def finish(state):
    """Return the state with its pending rows absorbed as a last, shorter block."""
    return _absorb_pending(_nonempty(state), False)


def _nonempty(state):
    if state.n_samples == 0:
        raise ValueError(invalid("X", "a stream of at least one row", "0 rows"))
    return state


def merge(a, b):
    """Return the state of the union of two streams."""
    if not isinstance(b, StreamState):
        raise TypeError(invalid("other", "a state of a stream", f"type {type(b).__name__}"))
    if a.config != b.config:
        raise ValueError(invalid("other", f"a state with the same parameters, {a.config}", b.config))
    if a.config.method in SEQUENTIAL:
        raise ValueError(
            invalid(
                "method",
                "one whose states can be merged",
                a.config.method,
                "Its recursion follows one stream; use oja, frequent_directions, incremental_svd or gram.",
            )
        )
    if a.n_samples == 0 or b.n_samples == 0:
        return b if a.n_samples == 0 else a
    if a.n_features != b.n_features:
        raise ValueError(invalid("other", f"a state of rows of {a.n_features} features", b.n_features))
    _same_library(a, b.sample)
    xp, config = a.xp, a.config
    # The exponent of a state without energy is a placeholder.
    exponent = max((s.exponent for s in (a, b) if s.methods and _energy(s) > 0), default=0)
    left, right = (_rescale(s, exponent) if s.methods else replace(s, exponent=exponent) for s in (a, b))
    merged = replace(left, dtype=_promote(a.dtype, b.dtype), pending=())
    if left.methods and right.methods:
        # A candidate that cannot be merged leaves the contest.
        names = [name for name in left.methods if name in right.methods and name not in SEQUENTIAL]
        methods = {name: left.methods[name].merge(right.methods[name], config, xp) for name in names}
        referee = left.referee.merge(right.referee, config, xp) if left.referee is not None else None
        merged = replace(merged, methods=methods, referee=referee)
    elif right.methods:
        merged = replace(merged, methods=right.methods, referee=right.referee)
    dtype = merged.dtype
    for block in (*a.pending, *b.pending):
        merged = update(merged, block)
    return replace(merged, dtype=dtype)  # pending halves wait in single precision


def tree_merge(states):
    """
    Merge many states of one stream into one, pairwise.

    A tree keeps the depth, and so the rounding errors and the shrinkage of sketches, logarithmic. This is
    all that Dask, Ray or Spark need: map blocks to states, reduce with this function. Cost: one merge less
    than there are states, each O(d) times the rows that the method keeps.

    Parameters
    ----------
    states : iterable of StreamState or of estimators
        What ``state_`` of an estimator holds, or fitted estimators themselves; none is changed.

    Returns
    -------
    StreamState or estimator
        The merged state, or a new estimator if estimators were given.

    Raises
    ------
    ValueError
        If there are no states, their parameters differ, or their method cannot be merged.

    See Also
    --------
    StreamingPCA.merge : Merge a single other estimator.
    load_state : Read a state written by another process.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.streaming import StreamingPCA, tree_merge
    >>> X = np.random.default_rng(0).standard_normal((900, 5)) * [5, 4, 3, 2, 1]
    >>> parts = [StreamingPCA(2).partial_fit(X[i::3]) for i in range(3)]
    >>> pca = tree_merge(parts)
    >>> bool(np.allclose(abs(pca.components_), abs(StreamingPCA(2).fit(X).components_)))
    True
    """
    import copy

    states = list(states)
    if not states:
        raise ValueError(invalid("states", "at least one state", "0 states"))
    kind = type(states[0])
    if not hasattr(kind, "merge") or any(type(state) is not kind for state in states):
        found = ", ".join(sorted({type(state).__name__ for state in states}))
        raise TypeError(invalid("states", "states, or estimators of one class", f"type {found}"))
    if kind is not StreamState:
        states = [copy.copy(estimator) for estimator in states]
    while len(states) > 1:
        paired = [first.merge(second) for first, second in zip(states[::2], states[1::2], strict=False)]
        states = paired + states[len(paired) * 2 :]
    return states[0]


def run(X, config, *, entropy, state=None, callback=None):
    """Return the state after all of ``X``, from any source; continue from ``state`` where one is given."""
    report = reporter(callback)
    if is_dask(X) and config.method not in SEQUENTIAL:
        whole = _run_dask(X, config, entropy)
        return whole if state is None else merge(state, whole)
    owned = False
    current = start(config, entropy) if state is None else state
    for number, block in enumerate(row_blocks(X, config.block_size), start=1):
        if block.shape[0]:
            current = update(current, block, overwrite=owned)
            # From here on the arrays of `current` are this function's own.
            owned = owned or bool(current.methods and current.methods is not getattr(state, "methods", None))
        if report(number, current.n_samples):
            break
    return _nonempty(current)


def _run_dask(X, config, entropy):
    """Map each chunk of rows to a state and reduce them in a tree, where and how Dask is set to run."""
    import dask

    def part(index, block):
        child = int(block_rng(entropy, 4, index).integers(2**63))
        # A chunk may be empty where a mask has made the chunks.
        return run(block, config, entropy=child) if block.shape[0] else start(config, child)

    if X.shape[0] == 0:
        raise ValueError(invalid("X", "a stream of at least one row", "0 rows"))
    states = [dask.delayed(part, pure=False)(i, block) for i, block in enumerate(dask_row_parts(X))]
    while len(states) > 1:
        paired = [
            dask.delayed(merge, pure=False)(a, b) for a, b in zip(states[::2], states[1::2], strict=False)
        ]
        states = paired + states[len(paired) * 2 :]
    return _nonempty(dask.compute(states[0])[0])


def summarise(state):
    """Return the state with nothing pending, the spectrum in its units, and the method that gave it."""
    first_block = state.pending if not state.methods else ()
    state = finish(state)
    config, xp = state.config, state.xp
    k = config.n_components
    name, spectrum = config.method, state.main.spectrum(k, config, xp)
    if first_block and config.method in APPROXIMATE:
        # A stream of one block is all at hand: a sketch with a row for each of its rows solves it exactly.
        size = min(max(state.n_samples, k + 1), state.n_features)
        exact = replace(config, method="frequent_directions", sketch_size=size, alpha=1.0, referee=False)
        whole = replace(start(exact, state.entropy), n_features=state.n_features, dtype=state.dtype)
        whole = _rescale(finish(replace(whole, pending=first_block)), state.exponent)
        spectrum = replace(
            whole.main.spectrum(k, exact, xp), error_bound=None, heavy_rows=spectrum.heavy_rows
        )
    elif state.referee is not None:
        figure = state.referee.judge(spectrum.vectors[:k, :], xp)
        # Where the order is suspect the default has no advance.
        best = figure * (1.0 if state.main.history.suspicious else 1.0 + MARGIN)
        for other, method in state.methods.items():
            if other != name:
                rival = method.spectrum(k, config, xp)
                figure = state.referee.judge(rival.vectors[:k, :], xp)
                if figure > best:
                    best, name, spectrum = figure, other, rival
    return state, spectrum, name


def warn_if_sorted(state, *, stacklevel):
    """Emit an OrderWarning if the rows look sorted and the method minds."""
    history = getattr(state.main, "history", None) if state.methods else None
    if history is None or not history.suspicious:
        return False
    remedy = (
        "The referee compared other methods on the same pass."
        if state.referee is not None
        else "Shuffle the rows, or use method='gram', 'frequent_directions', or referee=True."
    )
    warnings.warn(
        f"the rows look sorted: blocks drift by {history.drift():.1f} standard deviations (4 is suspicious), "
        f"and method={state.config.method!r} assumes a random order. {remedy}",
        OrderWarning,
        stacklevel=stacklevel,
    )
    return True


def output(state, array, *, scale=0):
    """Return an internal array in the dtype of the results; with ``scale=1`` in the units of the data."""
    xp = _namespace(array)
    if scale:
        array = times_power_of_two(array, state.exponent)
    name = state.dtype
    if name.startswith("complex") and not dtype_name(array.dtype).startswith("complex"):
        name = {"complex64": "float32", "complex128": "float64"}[name]
    return xp.astype(array, dtype_of(xp, name), copy=False)


def components(state, spectrum):
    """Return the leading eigenvectors as rows, with fixed signs, in the dtype of the results."""
    return output(
        state, fix_signs(spectrum.vectors[: state.config.n_components, :], _namespace(spectrum.vectors))
    )


def peek(X, block_size):
    """Return (features, dtype, X) of any source; an iterator is handed back with its first block in front."""
    import itertools

    if hasattr(X, "shape") and hasattr(X, "dtype") and len(X.shape) == 2:
        if X.shape[1] == 0:
            raise ValueError(invalid("X", "of at least one feature", f"shape {tuple(X.shape)}"))
        return X.shape[1], X.dtype, X
    blocks = (block for block in row_blocks(X, block_size) if block.shape[0])
    first = next(blocks, None)
    if first is None:
        raise ValueError(invalid("X", "a stream of at least one row", "0 rows"))
    if first.shape[1] == 0:
        raise ValueError(invalid("X", "of at least one feature", f"shape {tuple(first.shape)}"))
    return first.shape[1], first.dtype, itertools.chain((first,), blocks)


def _admit(state, rows):
    """Check the form of rows against the stream so far; return them, and the state told of their dtype."""
    if not sp.issparse(rows) and not array_api_compat.is_array_api_obj(rows):
        rows = np.asarray(rows)
    if len(rows.shape) != 2:
        raise ValueError(invalid("X", "two-dimensional, one row a sample", f"shape {tuple(rows.shape)}"))
    if sp.issparse(rows):
        rows = rows.tocsr()
    if array_api_compat.is_torch_array(rows) and rows.requires_grad:
        rows = rows.detach()  # or the state would keep the graph of the whole stream
    d = rows.shape[1]
    if state.n_features not in (None, d):
        raise ValueError(
            invalid("X", f"of {state.n_features} features like the rows before", f"{d} features")
        )
    dtype = output_dtype_name("X", rows.dtype)
    if state.n_samples:
        _same_library(state, rows)
        if dtype.startswith("complex") and not state.dtype.startswith("complex"):
            raise TypeError(invalid("X", "real like the rows before", f"dtype {dtype}"))
        dtype = _promote(state.dtype, dtype)
    return rows, replace(state, n_features=d, dtype=dtype)


def _absorb_pending(state, overwrite):
    if not state.pending:
        return state
    blocks, xp = state.pending, state.xp
    state = replace(state, pending=())
    if len({sp.issparse(block) for block in blocks}) > 1:
        blocks = [block.toarray() if sp.issparse(block) else block for block in blocks]
    if len(blocks) == 1:
        rows = blocks[0]
    elif sp.issparse(blocks[0]):
        rows = sp.vstack(blocks, format="csr")
    else:
        widest = max((dtype_name(b.dtype) for b in blocks), key=lambda name: np.dtype(name).num)
        rows = xp.concat([xp.astype(b, dtype_of(xp, widest), copy=False) for b in blocks], axis=0)
    return _absorb_all(state, rows, 0, rows.shape[0], overwrite)


def _absorb_all(state, rows, first, last, overwrite):
    """Absorb rows[first:last] block by block; plain stretches of it by the compiled path where one exists."""
    size = state.config.rows_per_block(rows.shape[1])
    position = first
    while position < last:
        state, done = _fast_forward(state, rows, position, last)
        if not done:
            done = min(size, last - position)
            block = _part(rows, position, position + done)
            state = _absorb_block(state, block, overwrite or position > first)
        position += done
    return state


def _fast_forward(state, rows, first, last):
    """Return the state after the plain blocks at the front, and the number of rows that they have."""
    if (
        state.config.method != "oja"
        or not state.methods
        or state.referee is not None
        or not isinstance(rows, np.ndarray)
        or rows.dtype.kind == "c"
        or abs(state.exponent) > 500
    ):
        return state, 0
    size = state.config.rows_per_block(rows.shape[1])
    working = np.dtype(working_dtype_name("X", rows.dtype))
    # Only rows that are read in place are handed on together: others are converted a block at a time.
    in_place = rows.flags.c_contiguous and rows.dtype == working
    last = last if in_place else min(last, first + size)
    if last - first < size:
        return state, 0
    block = np.ascontiguousarray(rows[first:last], dtype=working)
    main, done = state.main.fast_forward(block, 2.0**-state.exponent, state.config)
    return (replace(state, methods={"oja": main}) if done else state), done


def _absorb_block(state, rows, overwrite):
    """Absorb one block of any kind: check, scale, and hand it to every method."""
    xp, config = _namespace(rows), state.config
    wide = xp.complex128 if state.dtype.startswith("complex") else xp.float64
    if isinstance(rows, np.ndarray):
        rows = np.ascontiguousarray(rows, dtype=wide)  # one layout, so that sums run in one order
    else:
        rows = rows.astype(wide) if sp.issparse(rows) else xp.astype(rows, wide, copy=False)
    state, rows, norms_sq = _scaled(state, rows, xp)
    methods = state.methods
    referee = state.referee
    if not methods:
        names = [config.method]
        if config.referee:
            names += [c for c in CANDIDATES if config.n_components == 1 or c not in ONE_VECTOR]
            referee = RefereeState.start(config, rows, xp, state.entropy)
        methods = {name: _start_method(name, config, rows, xp, state.entropy) for name in names}
    methods = {name: m.update(rows, norms_sq, config, xp, overwrite=overwrite) for name, m in methods.items()}
    if referee is not None:
        referee = referee.update(rows, norms_sq, config, xp)
    return replace(state, methods=methods, referee=referee)


def _start_method(name, config, like, xp, entropy):
    if name == "incremental_svd":
        return FrequentDirectionsState.start(config, like, xp, entropy, alpha=0.0)
    return STATES[name].start(config, like, xp, entropy)


def _scaled(state, rows, xp):
    """Return the state, the rows in its units, and their squared norms; raise on non-finite entries."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = times_power_of_two(rows, -state.exponent) if state.exponent else rows
        norms_sq = to_host(row_norms_sq(scaled, xp))
    if _SMALL**2 < norms_sq.max() < _LARGE**2:
        return state, scaled, norms_sq
    peak = _peak(rows, xp)
    exponent = math.frexp(peak)[1]
    seen = state.methods and state.main.n_samples and _energy(state) > 0
    if peak == 0.0 or (exponent <= state.exponent and seen):
        return state, scaled, norms_sq  # nothing, or too small to count
    state = _rescale(state, exponent)
    rows = times_power_of_two(rows, -exponent)
    return state, rows, to_host(row_norms_sq(rows, xp))


def _peak(rows, xp):
    """Return the largest modulus; raise if an entry is not finite."""
    values = rows.data if sp.issparse(rows) else rows
    peak = float(to_host(xp.max(xp.abs(values)))) if math.prod(values.shape) else 0.0
    if not math.isfinite(peak):
        raise ValueError(
            invalid(
                "X", "finite", "NaN or infinity", "Drop or impute those rows; nothing of this call was kept."
            )
        )
    return peak


def _energy(state):
    main = state.main
    moments = getattr(main, "moments", None) or main.light
    heavy = getattr(main, "heavy", None)
    return moments.frobenius_sq + (heavy.total if heavy is not None else 0.0)


def _rescale(state, exponent):
    if exponent == state.exponent:
        return state
    # In steps whose squares neither overflow nor vanish.
    shift = state.exponent - exponent
    methods, referee = state.methods, state.referee
    while shift:
        step = max(-400, min(400, shift))
        shift, factor = shift - step, 2.0**step
        methods = {name: method.rescaled(factor) for name, method in methods.items()}
        referee = referee.rescaled(factor) if referee is not None else None
    return replace(state, exponent=exponent, methods=methods, referee=referee)


def times_power_of_two(rows, exponent):
    """Return ``rows * 2**exponent``, in two factors since one may be out of range."""
    return rows * 2.0 ** (exponent // 2) * 2.0 ** (exponent - exponent // 2)


def _part(rows, first, last):
    return rows[first:last] if sp.issparse(rows) else rows[first:last, :]


def _owned(rows, first, last):
    """Return a checked copy of some rows, in their working dtype: the caller may change theirs meanwhile."""
    part = _part(rows, first, last)
    xp, working = _namespace(part), working_dtype_name("X", part.dtype)
    part = (
        part.astype(working, copy=True) if is_numpy(xp) else xp.astype(part, dtype_of(xp, working), copy=True)
    )
    _peak(part, xp)
    return part


def _namespace(array):
    return array_namespace(X=None if sp.issparse(array) else array)


def _same_library(state, rows):
    """Raise TypeError unless the rows are of the library and on the device of those before."""
    array_namespace(**{"the rows before": state.sample, "X": None if sp.issparse(rows) else rows})


def _first_array(method):
    for name in ("basis", "sketch", "gram", "vectors"):
        if hasattr(method, name):
            return getattr(method, name)
    raise AttributeError(type(method).__name__)


def _promote(a, b):
    """Return the name of the dtype that holds both."""
    if "bfloat16" in (a, b):
        return a if a == b else (b if a == "bfloat16" else a) if "float16" not in (a, b) else "float32"
    return np.result_type(np.dtype(a), np.dtype(b)).name
