"""Butterflies learned by descent."""

import math

import numpy as np
import scipy.optimize

from spectralkit._core.callbacks import reporter
from spectralkit._core.checks import (
    check_integer,
    check_number,
    check_option,
    invalid,
    warn_not_converged,
)
from spectralkit._core.namespaces import is_numpy
from spectralkit._core.random import as_rng
from spectralkit.structured._arguments import (
    as_permutation,
    as_working,
    bit_reversal,
    check_finite,
    check_power_of_two,
)
from spectralkit.structured._factorize import (
    ButterflyFactorizationResult,
    as_matrix,
    eight_permutations,
    factorize,
)
from spectralkit.structured._gradient import activations, gradients
from spectralkit.structured._operator import Butterfly, _Factor, _fourier

FIELDS, INITS = ("auto", "real", "complex"), ("factorize", "random")
# Adam: its usual rates of forgetting, and the step that the published experiments use most.
_STEP, _FORGET, _FORGET_SQUARES = 0.02, 0.9, 0.99
# Steps of Adam for each start, and for the starts that are taken further.
_SCREENING, _ADAM, _FINALISTS = 60, 600, 3


def butterfly_learn(
    W_or_pairs,
    *,
    n_blocks=1,
    permutation="best",
    field="auto",
    init="factorize",
    n_restarts=2,
    max_iter=3000,
    tol=1e-12,
    rng=None,
    callback=None,
):
    """
    Learn a butterfly, or a product of some, from a matrix or from examples of what it does.

    Where `butterfly_factorize` is exact there is nothing to learn; this is for the best approximation of
    other matrices, for products of blocks, and for pairs of signals. Cost `O(m n log n)` for a step with
    m signals, which for a matrix are its n columns.

    Parameters
    ----------
    W_or_pairs : array of shape (n, n), or pair of arrays of shape (m, n)
        The matrix; or inputs X and outputs Y, row by row, with ``Y ≈ X W'``. On the host.
    n_blocks : int, default=1
        Butterflies that are multiplied: 1 for BP, 2 for BPBP.
    permutation : str, array of shape (n,) or None, default="best"
        Order in which entries enter each block: "best" tries the eight of `butterfly_factorize`, "bitrev"
        reverses bits, None is the natural order.
    field : str, default="auto"
        "real" or "complex" blocks; "auto" takes those of the data. Complex blocks for real data are
        compared by the real part of their product.
    init : str, default="factorize"
        "factorize": start from the factors of the matrix, or of that which least squares finds in enough
        pairs, behind a first block that is an identity or a Fourier transform where there are two; "random":
        start from random orthogonal blocks.
    n_restarts : int, default=2
        Random starts for each permutation.
    max_iter : int, default=3000
        Steps of the last descent at the most.
    tol : float, default=1e-12
        Relative residual at which descent stops.
    rng : None, int or numpy.random.Generator, optional
        Source of random starts.
    callback : callable or None, default=None
        Called with an ``IterationInfo`` after each step of the last descent, its figure the relative
        residual; descent stops when it returns True.

    Returns
    -------
    ButterflyFactorizationResult
        The operator, the relative residual, the permutation and how descent went.

    Raises
    ------
    ValueError
        If shapes do not match, the size is no power of two, an entry is not finite, or a parameter is
        out of range.
    TypeError
        If arrays are not on the host, or of a dtype that is not supported.

    Warns
    -----
    ConvergenceWarning
        If descent was still going on after ``max_iter`` steps.

    See Also
    --------
    butterfly_factorize : In closed form, for a matrix.
    ButterflyRegressor : The same as an estimator.

    Notes
    -----
    Minimises ``||Y - X W'||_F²``. Random starts are screened by a few steps of Adam, the best ones go on
    with it, and the best of those with L-BFGS, whose gradients are those of `butterfly_gradient` [1]_.
    L-BFGS ends at ``tol``, or where no step makes progress in double precision.

    References
    ----------
    .. [1] T. Dao, A. Gu, M. Eichhorn, A. Rudra and C. Ré, "Learning fast algorithms for linear transforms
       using butterfly factorizations", ICML 2019, arXiv:1903.05895.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.structured import butterfly_learn
    >>> X = np.random.default_rng(0).standard_normal((40, 16))
    >>> result = butterfly_learn((X, np.fft.fft(X)))
    >>> result.residual < 1e-10
    True
    """
    check_option("field", field, FIELDS)
    check_option("init", init, INITS)
    n_blocks = check_integer("n_blocks", n_blocks, 1)
    n_restarts = check_integer("n_restarts", n_restarts, 1)
    max_iter = check_integer("max_iter", max_iter, 0)
    tol = check_number("tol", tol, 0.0)
    rng = as_rng(rng)
    X, Y, W, dtype = _as_signals(W_or_pairs)
    n = len(X)
    is_complex = field == "complex" or (field == "auto" and (X.dtype.kind == "c" or Y.dtype.kind == "c"))
    problem = _Problem(X, Y, is_complex)
    if isinstance(permutation, str):
        check_option("permutation", permutation, ("best", "bitrev"))
        orders = eight_permutations(n) if permutation == "best" else [bit_reversal(n)]
    else:
        orders = [np.arange(n) if permutation is None else as_permutation("permutation", permutation, n)]
    if n == 1:
        raise ValueError(invalid("n", "at least 2", 1, "A number has no levels to learn."))
    starts = _closed_form(problem, W, orders, n_blocks) if init == "factorize" else []
    # A real part of complex blocks may do far better than the real blocks that are factors.
    is_short = problem.takes_real_part and n_blocks == 1
    if not starts or (is_short and min(problem.residual(*start) for start in starts) > tol):
        starts += _screened(problem, orders, n_blocks, n_restarts, rng)
    theta, order = min(starts, key=lambda start: problem.residual(*start))
    theta, n_iter, ended, stopped = _descend(problem, theta, order, max_iter, tol, callback)
    residual = problem.residual(theta, order)
    dtype = np.result_type(dtype, np.complex64) if is_complex else dtype
    is_zero = not np.any(theta[0, 0])
    with np.errstate(over="ignore"):
        theta[0, 0] *= problem.scale  # the units of the data go into one level
        blocks = theta.astype(dtype)
    if not np.all(np.isfinite(blocks)) or (not np.any(blocks[0, 0]) and not is_zero):
        raise _out_of_range(problem.scale, dtype)
    factors = [_Factor(block, order) for block in blocks]
    operator = Butterfly._of(factors, n, real=problem.takes_real_part)
    status = f"Relative residual {residual:.2g} after {n_iter} steps of L-BFGS."
    if stopped:
        status += " Stopped by the callback."
    elif not ended:
        status += " Descent was still going on: raise max_iter."
        warn_not_converged("butterfly_learn", residual, tol, "Raise max_iter.")
    return ButterflyFactorizationResult(operator, residual, order.copy(), n_iter, ended, status)


def _as_signals(W_or_pairs):
    """Return inputs and outputs of shape (n, signals), the matrix where that is known, and the dtype."""
    if isinstance(W_or_pairs, tuple | list) and len(W_or_pairs) == 2 and _is_table(W_or_pairs[0]):
        parts = []
        for name, part in zip("XY", W_or_pairs, strict=True):
            part, xp = as_working(name, part)
            if not is_numpy(xp):
                raise TypeError(invalid(name, "a NumPy array", "an array of another library"))
            if part.ndim != 2 or 0 in part.shape:
                raise ValueError(invalid(name, "of shape (m, n)", f"shape {part.shape}"))
            check_finite(name, part, xp)
            parts.append(part)
        dtype = np.result_type(*parts)
        X, Y = (part.T.astype(np.result_type(part, np.float64)) for part in parts)
        if X.shape != Y.shape:
            raise ValueError(invalid("Y", f"of shape {X.T.shape}, as X", f"shape {Y.T.shape}"))
        check_power_of_two("the number of columns of X", len(X))
        W = None
        if X.shape[1] >= len(X):
            W = np.linalg.lstsq(X.T, Y.T, rcond=None)[0].T
        return X, Y, W, dtype
    W, n = as_matrix("W_or_pairs", W_or_pairs)
    dtype = W.dtype
    W = W.astype(np.result_type(W, np.float64))
    return np.eye(n), W, W, dtype


def _out_of_range(scale, dtype):
    constraint = f"of outputs whose size relative to inputs is in the range of {np.dtype(dtype)}"
    return ValueError(invalid("W_or_pairs", constraint, f"about {scale:.3g}", "Scale one of them."))


def _is_table(first):
    return as_working("X", first)[0].ndim == 2


class _Problem:
    """Signals, scaled, and the squares that are minimised."""

    def __init__(self, X, Y, is_complex):
        self.is_complex = is_complex
        self.takes_real_part = is_complex and X.dtype.kind != "c" and Y.dtype.kind != "c"
        dtype = np.complex128 if is_complex else np.float64
        if not is_complex and (X.dtype.kind == "c" or Y.dtype.kind == "c"):
            remedy = 'Take field="complex".'
            raise ValueError(invalid("field", "complex for complex data", "real", remedy))
        # Not moduli, which may overflow.
        sizes = [float(max(np.abs(part.real).max(), np.abs(part.imag).max())) or 1.0 for part in (X, Y)]
        # Powers of two: signals about 1 large, whatever their units.
        powers = [math.ldexp(1.0, math.frexp(size)[1] - 1) for size in sizes]
        self.X = np.ascontiguousarray(X / powers[0], dtype=dtype)
        self.Y = np.ascontiguousarray(Y / powers[1])
        self.scale = powers[1] / powers[0]
        if not 0.0 < self.scale < math.inf:
            raise _out_of_range(self.scale, dtype)
        self.norm = float(np.linalg.norm(self.Y))
        self.n = len(X)

    def value_and_gradient(self, theta, order):
        """Return the relative squared residual and its derivatives in the blocks."""
        Z, kept = self.X, []
        for block in theta:
            kept.append(activations(block, Z[order]))
            Z = kept[-1][-1]
        left = (Z.real if self.takes_real_part else Z) - self.Y
        square = self.norm**2 or 1.0
        value = float(np.sum(left.real**2) + np.sum(left.imag**2)) / square
        cotangent = (2.0 / square) * left.astype(Z.dtype)
        gradient = np.empty_like(theta)
        for k in range(len(theta) - 1, -1, -1):
            gradient[k], before = gradients(theta[k], kept[k], cotangent)
            cotangent = np.empty_like(before)
            cotangent[order] = before
        return value, gradient

    def residual(self, theta, order):
        """Return the relative residual."""
        return math.sqrt(self.value_and_gradient(theta, order)[0])


def _closed_form(problem, W, orders, n_blocks):
    """Return starts from factors of the matrix behind simple first blocks."""
    if W is None:
        return []
    n, scale = problem.n, problem.scale
    levels = n.bit_length() - 1
    dtype = problem.X.dtype
    identity = np.tile(np.eye(2, dtype=dtype), (levels, n // 2, 1, 1))
    firsts = [identity] + ([_fourier(n, -1) / math.sqrt(2.0)] if problem.is_complex else [])
    starts = []
    for order in orders:
        for first in firsts if n_blocks > 1 else [None]:
            blocks = [] if first is None else [first] + [identity] * (n_blocks - 2)
            rest = W / scale
            for block in blocks:  # each is unitary
                M = Butterfly(block, permutation=order).to_dense()
                rest = rest @ M.conj().T
            twiddle, _ = factorize(np.ascontiguousarray(rest, dtype=dtype), order)
            starts.append((np.stack([*blocks, twiddle.astype(dtype)]), order))
    return starts


def _screened(problem, orders, n_blocks, n_restarts, rng):
    """Return the best of random starts, after some steps of Adam."""
    starts = [(_random_blocks(problem, n_blocks, rng), order) for order in orders for _ in range(n_restarts)]
    if len(starts) > 1:
        starts = [(_adam(problem, theta, order, _SCREENING), order) for theta, order in starts]
        starts = sorted(starts, key=lambda start: problem.residual(*start))[:_FINALISTS]
    return [(_adam(problem, theta, order, _ADAM), order) for theta, order in starts]


def _random_blocks(problem, n_blocks, rng):
    """Return blocks that are random orthogonal or unitary matrices."""
    levels = problem.n.bit_length() - 1
    G = rng.standard_normal((n_blocks, levels, problem.n // 2, 2, 2))
    if problem.is_complex:
        G = G + 1j * rng.standard_normal(G.shape)
    Q, R = np.linalg.qr(G)
    diagonal = np.diagonal(R, axis1=-2, axis2=-1)
    return Q * (diagonal / np.abs(diagonal))[..., None, :]


def _adam(problem, theta, order, n_steps):
    theta, mean, square = theta.copy(), np.zeros_like(theta), np.zeros(theta.shape)
    for step in range(1, n_steps + 1):
        gradient = problem.value_and_gradient(theta, order)[1]
        mean = _FORGET * mean + (1.0 - _FORGET) * gradient
        square = _FORGET_SQUARES * square + (1.0 - _FORGET_SQUARES) * np.abs(gradient) ** 2
        size = np.sqrt(square / (1.0 - _FORGET_SQUARES**step)) + 1e-12
        theta -= _STEP * mean / (1.0 - _FORGET**step) / size
    return theta


def _descend(problem, theta, order, max_iter, tol, callback):
    """Return the end of L-BFGS, its steps, whether it ended by itself, and whether the callback ended it."""
    report, shape, dtype = reporter(callback), theta.shape, theta.dtype
    best = [math.inf, theta]
    n_iter, stopped = 0, False

    def value(parameters):
        blocks = parameters.view(dtype).reshape(shape)
        found, gradient = problem.value_and_gradient(blocks, order)
        if found < best[0]:
            best[:] = found, blocks.copy()
        return found, gradient.reshape(-1).view(np.float64)

    def after(_):
        nonlocal n_iter, stopped
        n_iter += 1
        stopped = report(n_iter, math.sqrt(best[0]))
        if stopped or math.sqrt(best[0]) <= tol:
            raise StopIteration

    start = np.ascontiguousarray(theta).reshape(-1).view(np.float64).copy()
    reached = math.sqrt(value(start)[0]) <= max(tol, 1e-15)
    if reached or not max_iter:
        return best[1], 0, reached, False
    options = {"maxiter": max_iter, "maxfun": 20 * max_iter, "ftol": 0.0, "gtol": 0.0, "maxcor": 20}
    found = scipy.optimize.minimize(
        value, start, jac=True, method="L-BFGS-B", options=options, callback=after
    )
    reached = math.sqrt(best[0]) <= tol
    stopped = stopped and not reached
    return best[1], n_iter, bool(reached or not (stopped or found.status == 1)), stopped
