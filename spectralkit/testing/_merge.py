"""States that merge: the same answer however the work was shared."""

import copy

import numpy as np


def assert_mergeable(make, blocks, finalize, *, tol, update=None, merge=None, workers=(1, 2, 7)):
    """
    Assert that a streaming estimator or state merges as it should.

    Blocks are shared among workers in every number given, each updates its own state, and the states are
    merged pairwise. Merging must be commutative and associative, an empty state must change nothing, the
    state that is merged in must stay as it is, and all must equal one pass over the blocks. Cost: about six
    passes.

    Parameters
    ----------
    make : callable
        ``make()`` returns an empty estimator or state.
    blocks : sequence
        Blocks of rows, at least three.
    finalize : callable
        ``finalize(state)`` returns the array, or tuple of arrays, that has to agree. Where an answer is
        unique only up to a sign or a rotation, return what is unique, such as a projector.
    tol : float
        Largest error ``‖a - b‖ / ‖b‖`` in the Frobenius norm, for each array.
    update : callable, optional
        ``update(state, block)`` returns the state after a block. By default ``state.partial_fit(block)``.
    merge : callable, optional
        ``merge(a, b)`` returns the merged state. By default ``a.merge(b)``.
    workers : sequence of int, default=(1, 2, 7)
        Numbers of workers; those without a block keep an empty state.

    Returns
    -------
    float
        The largest error found.

    Raises
    ------
    AssertionError
        If two answers that should agree differ by more than ``tol``.
    ValueError
        If there are fewer than three blocks.

    See Also
    --------
    spectralkit.streaming.tree_merge : Merges pairwise, as Dask, Ray and Spark do.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.testing import assert_mergeable
    >>> blocks = np.random.default_rng(0).standard_normal((9, 4, 3))
    >>> error = assert_mergeable(
    ...     lambda: np.zeros((3, 3)),
    ...     blocks,
    ...     finalize=lambda state: state,
    ...     update=lambda state, block: state + block.T @ block,
    ...     merge=lambda a, b: a + b,
    ...     tol=1e-14,
    ... )
    >>> error < 1e-14
    True
    """
    if len(blocks) < 3:
        raise ValueError(f"blocks must be at least three; got {len(blocks)}.")
    update = update or (lambda state, block: state.partial_fit(block))
    merge = merge or (lambda a, b: a.merge(b))
    worst = 0.0

    def read(blocks):
        state = make()
        for block in blocks:
            state = update(state, block)
        return state

    def join(a, b):
        return merge(copy.deepcopy(a), b)  # estimators merge in place: the copy keeps `a` for later

    def tree(states):
        while len(states) > 1:
            pairs = (states[start : start + 2] for start in range(0, len(states), 2))
            states = [join(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
        return states[0]

    def compare(what, found, expected, tol=tol):
        nonlocal worst
        found, expected = (answer if isinstance(answer, tuple) else (answer,) for answer in (found, expected))
        for a, b in zip(found, expected, strict=True):
            a, b = np.asarray(a), np.asarray(b)
            size = np.linalg.norm(b)
            error = np.linalg.norm(a - b) / (size if size > 0 else 1.0) if a.shape == b.shape else np.inf
            if not error <= tol:
                raise AssertionError(f"{what}: relative error {error:.3g} is above {tol:.3g}")
            worst = max(worst, float(error))

    one_pass = finalize(read(blocks))
    for count in workers:
        states = [read(blocks[start::count]) for start in range(count)]
        compare(f"{count} workers against one pass", finalize(tree(states)), one_pass)
    third = len(blocks) // 3
    a, b, c = (read(part) for part in (blocks[:third], blocks[third : 2 * third], blocks[2 * third :]))
    answer_a, answer_b, ab = finalize(a), finalize(b), join(a, b)
    compare("b after merge(a, b) against b before", finalize(b), answer_b, 0.0)
    compare("merge(a, b) against merge(b, a)", finalize(ab), finalize(join(b, a)))
    left, right = join(ab, c), join(a, join(b, c))
    compare("merge(merge(a, b), c) against merge(a, merge(b, c))", finalize(left), finalize(right))
    compare("merge(a, empty) against a", finalize(join(a, make())), answer_a)
    compare("merge(empty, a) against a", finalize(merge(make(), a)), answer_a)
    return worst
