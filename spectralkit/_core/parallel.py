"""The thread budget, and how work is cut into blocks."""

import contextlib
import functools
import threading

from spectralkit._core.checks import check_integer

# Below this many inner operations waking threads costs more than it saves: a small parallel loop was
# measured at 5 us idle and 20 ms on a busy machine, against 1 us in sequence.
PARALLEL_THRESHOLD = 1_000_000


@contextlib.contextmanager
def threads(n):
    """
    Limit numba and BLAS together to a number of threads.

    threadpoolctl does not reach numba's threads and numba does not reach BLAS; this does both, and restores
    both on the way out. Cost: microseconds.

    Parameters
    ----------
    n : int
        Threads allowed inside the ``with`` block, at least 1. numba is given at most the number of threads
        that it was started with.

    Yields
    ------
    None
        Nothing: the limit holds inside the block.

    Raises
    ------
    ValueError
        If ``n`` is below 1.
    TypeError
        If ``n`` is not an integer.

    See Also
    --------
    threadpoolctl.threadpool_limits : Limits BLAS and OpenMP pools, not numba.

    Examples
    --------
    >>> import numpy as np
    >>> import spectralkit
    >>> with spectralkit.threads(1):
    ...     product = np.eye(3) @ np.ones(3)
    """
    n = check_integer("n", n, 1)
    # Both are imported here: the core loads neither.
    import numba
    from threadpoolctl import threadpool_limits

    before = numba.get_num_threads()
    with threadpool_limits(limits=n, user_api="blas"):
        numba.set_num_threads(min(n, numba.config.NUMBA_NUM_THREADS))
        try:
            yield
        finally:
            numba.set_num_threads(before)


@functools.cache
def _blas_controller():
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()  # looks through all loaded libraries: once is enough


_blas_lock = threading.Lock()
_blas_limits = []  # the limit, while any thread is inside


@contextlib.contextmanager
def one_blas_thread():
    """Give BLAS one thread, for many small products.

    With two threads on a busy machine a sampler made of small matrix products was measured 80 times slower.
    The number belongs to the process: the first thread of Python inside sets it, the last one restores it.
    """
    with _blas_lock:
        if not _blas_limits:
            limit = _blas_controller().limit(limits=1, user_api="blas")
            limit.__enter__()
            _blas_limits.append(limit)
        else:
            _blas_limits.append(None)
    try:
        yield
    finally:
        with _blas_lock:
            if len(_blas_limits) == 1:
                _blas_limits.pop().__exit__(None, None, None)
            else:
                _blas_limits.pop()


def block_ranges(n, size):
    """Yield ``(start, stop)`` for consecutive blocks of ``size`` out of ``n``: the last may be shorter."""
    for start in range(0, n, size):
        yield start, min(start + size, n)
