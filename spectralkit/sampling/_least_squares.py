"""Weighted least squares: densities, Gram matrices, solutions, and subsets that keep them stable."""

import math

import numpy as np

from spectralkit._core.checks import check_integer, check_number
from spectralkit._core.dtypes import dtype_of, output_dtype_name
from spectralkit._core.namespaces import array_namespace, from_host, is_numpy, to_host
from spectralkit.sampling._arguments import as_matrix, as_targets, as_weights

# Points of smallest leverage among which the next one to leave is chosen, and removals after which what has
# been downdated is computed anew.
_CANDIDATES, _REFRESH = 8, 32


def christoffel_density(Phi):
    """
    Return the density ``K(x, x) / m`` of the optimal sampling measure at points.

    Its inverse is the weight of a point in least squares. Cost `O(n m)`.

    Parameters
    ----------
    Phi : array of shape (n, m)
        Values of orthonormal functions at the points.

    Returns
    -------
    array of shape (n,)
        ``Σ_j φ_j(x_i)² / m``, whose mean over the measure of the basis is 1.

    Raises
    ------
    ValueError
        If ``Phi`` is not a finite matrix.
    TypeError
        If its dtype is not supported.

    See Also
    --------
    sample_christoffel : Draws from this density.

    Examples
    --------
    >>> from spectralkit.sampling import TensorPolynomialBasis, christoffel_density
    >>> basis = TensorPolynomialBasis("legendre", 4)
    >>> christoffel_density(basis.evaluate([[0.0], [1.0]]))
    array([0.703125, 5.      ])
    """
    Phi, dtype, xp = _matrix(Phi)
    with np.errstate(over="ignore", divide="ignore"):
        return xp.astype(1.0 / optimal_roots(Phi, xp) ** 2, dtype, copy=False)


def empirical_gram(Phi, weights):
    """
    Return the weighted mean of ``φ(x_i) φ(x_i)^T`` over points.

    Its smallest eigenvalue says how stable least squares on the points is: it is the identity on average for
    points and weights that suit the basis. Cost `O(n m^2)`.

    Parameters
    ----------
    Phi : array of shape (n, m)
        Values of the functions at the points.
    weights : array of shape (n,)
        Weights of the points, non-negative.

    Returns
    -------
    array of shape (m, m)
        ``(1 / n) Σ_i w_i φ(x_i) φ(x_i)^T``.

    Raises
    ------
    ValueError
        If shapes do not match, something is not finite, or a weight is negative.
    TypeError
        If the arrays are of different libraries, or of a dtype that is not supported.

    See Also
    --------
    weighted_lstsq : The least-squares solution.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.sampling import empirical_gram
    >>> empirical_gram(np.eye(2), [1.0, 3.0])
    array([[0.5, 0. ],
           [0. , 1.5]])
    """
    Phi, dtype, xp = _matrix(Phi)
    weights = xp.astype(as_weights("weights", weights, Phi.shape[0], Phi), xp.float64, copy=False)
    return xp.astype((Phi * weights[:, None]).T @ Phi / Phi.shape[0], dtype, copy=False)


def weighted_lstsq(Phi, y, weights):
    """
    Solve a weighted least-squares problem.

    Parameters
    ----------
    Phi : array of shape (n, m)
        Values of the functions at the points.
    y : array of shape (n,) or (n, k)
        Values to fit, k of them at each point.
    weights : array of shape (n,)
        Weights of the points, non-negative.

    Returns
    -------
    array of shape (m,) or (m, k)
        Coefficients that minimise ``Σ_i w_i |y_i - φ(x_i)^T c|²``; those of least norm where they are not
        unique.

    Raises
    ------
    ValueError
        If shapes do not match, something is not finite, or a weight is negative.
    TypeError
        If the arrays are of different libraries, or of a dtype that is not supported.

    See Also
    --------
    OptimalWeightedLeastSquares : Chooses the points too.

    Notes
    -----
    By the singular values of ``diag(w)^(1/2) Φ``, `O(n m^2)`; those below ``max(n, m)`` times the rounding
    unit of the largest count as zero. Computed in double precision.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.sampling import weighted_lstsq
    >>> weighted_lstsq(np.ones((3, 1)), [0.0, 1.0, 4.0], [1.0, 1.0, 2.0])
    array([2.25])
    """
    Phi, dtype, xp = _matrix(Phi)
    y = as_targets("y", y, Phi.shape[0], Phi)
    weights = xp.astype(as_weights("weights", weights, Phi.shape[0], Phi), xp.float64, copy=False)
    heaviest = float(xp.max(weights))
    root = xp.sqrt(weights / heaviest if heaviest > 0.0 else weights)[:, None]
    columns = xp.astype(y, xp.float64) if y.ndim == 2 else xp.astype(y, xp.float64)[:, None]
    coef = least_norm(Phi * root, columns * root, xp)
    return xp.astype(coef if y.ndim == 2 else coef[:, 0], dtype, copy=False)


def greedy_subsample(Phi, weights, *, n_min=None, stability=0.5):
    """
    Drop points one at a time while least squares on the others stays stable.

    Of many points, drawn cheaply, only those are kept that a costly function has to be evaluated at: often
    hardly more than there are basis functions. Cost `O(n m)` for each point dropped, and `O(n m^2)` for each
    32 of them.

    Parameters
    ----------
    Phi : array of shape (n, m)
        Values of orthonormal functions at the points.
    weights : array of shape (n,)
        Weights of the points, non-negative.
    n_min : int, optional
        Number of points to keep at the least; by default m.
    stability : float, default=0.5
        Lower bound, in (0, 1), on the smallest eigenvalue of the Gram matrix of the points that are kept.

    Returns
    -------
    array of int of shape (k,)
        Indices of the points that are kept, in increasing order; all of them if they are not stable
        themselves.

    Raises
    ------
    ValueError
        If shapes do not match, something is not finite, a weight is negative, or a number is out of range.
    TypeError
        If the arrays are of different libraries, or of a dtype that is not supported.

    See Also
    --------
    empirical_gram : The matrix whose smallest eigenvalue is bounded.

    Notes
    -----
    The next point to go is, of the eight of smallest leverage, the one whose removal raises the norm of the
    inverse Gram matrix least, to first order. The inverse is downdated; eigenvalues are computed anew every
    32 removals, which are taken back where the bound does not hold. The points that are left are not
    independent, and least squares on them is not unbiased.

    References
    ----------
    .. [1] C. Haberstich, A. Nouy and G. Perrin, "Boosted optimal weighted least-squares", Mathematics of
       Computation 91, 2022, arXiv:1912.07075.

    Examples
    --------
    >>> from spectralkit.sampling import TensorPolynomialBasis, christoffel_density
    >>> from spectralkit.sampling import greedy_subsample, sample_dpp
    >>> basis = TensorPolynomialBasis("legendre", 9)
    >>> Phi = basis.evaluate(sample_dpp(basis, n_repeats=6, rng=0).reshape(-1, 1))
    >>> kept = greedy_subsample(Phi, 1 / christoffel_density(Phi), stability=0.5)
    >>> len(Phi), len(kept) <= 15
    (60, True)
    """
    Phi, _, xp = _matrix(Phi)
    n, m = Phi.shape
    weights = as_weights("weights", weights, n, Phi)
    n_min = m if n_min is None else check_integer("n_min", n_min, min(m, n), n, f"There are {m} functions.")
    stability = check_number("stability", stability, 0.0, 1.0, open_low=True, open_high=True)
    rows = to_host(Phi) * np.sqrt(np.asarray(to_host(weights), np.float64))[:, None]
    return from_host(stable_subset(rows, n_min, stability), xp, Phi)


def optimal_roots(Phi, xp):
    """Return the roots of the optimal weights, ``m^(1/2) / ||φ(x_i)||``: their squares may underflow."""
    largest = xp.max(xp.abs(Phi), axis=1, keepdims=True)
    largest = xp.where(largest > 0.0, largest, xp.ones_like(largest))
    scaled = Phi / largest
    return math.sqrt(Phi.shape[1]) / xp.sqrt(xp.sum(scaled * scaled, axis=1)) / largest[:, 0]


def least_norm(rows, targets, xp):
    """Return the solution of least squares, of least norm where there are several."""
    if is_numpy(xp):
        return np.linalg.lstsq(rows, targets, rcond=None)[0]
    return xp.linalg.pinv(rows, rtol=max(rows.shape) * np.finfo(float).eps) @ targets


def stable_subset(rows, n_min, stability):
    """Return indices of rows whose mean outer product has eigenvalues above ``stability``."""
    size = float(np.max(np.abs(rows)))
    if size > 0.0:
        with np.errstate(over="ignore", divide="ignore"):
            rows, stability = rows / size, float(stability / np.float64(size) / np.float64(size))
    kept = np.arange(len(rows))
    stable = kept
    while len(kept) > n_min:
        removed = _remove(rows, kept, min(_REFRESH, len(kept) - n_min), stability)
        # Estimates decide on the way; what is returned has been checked.
        while len(removed) and smallest_eigenvalue(rows[np.setdiff1d(kept, removed)]) < stability:
            removed = removed[: len(removed) // 2]
        if not len(removed):
            break
        kept = stable = np.setdiff1d(kept, removed)
    return stable


def _remove(rows, kept, count, stability):
    """Return up to ``count`` points to leave out, in order, by estimates of the smallest eigenvalue."""
    left = rows[kept]
    values, vectors = np.linalg.eigh(left.T @ left)
    if values[0] <= 0.0:
        return kept[:0]
    inverse = (vectors / values) @ vectors.T
    weakest = vectors[:, 0]
    solved = left @ inverse
    leverage = np.einsum("ij,ij->i", solved, left)
    alive = np.ones(len(kept), dtype=bool)
    removed = []
    for _ in range(count):
        candidates = np.argsort(np.where(alive, leverage, np.inf), kind="stable")[:_CANDIDATES]
        candidates = candidates[alive[candidates] & (leverage[candidates] < 1.0)]
        if not len(candidates):
            break
        growth = (solved[candidates] @ weakest) ** 2 / (1.0 - leverage[candidates])
        point = candidates[np.argmin(growth)]
        direction, slack = solved[point].copy(), 1.0 - leverage[point]
        following = inverse + np.outer(direction, direction) / slack
        for _ in range(3):  # power iterations on the inverse, from the last eigenvector
            product = following @ weakest
            weakest = product / np.linalg.norm(product)
        smallest = 1.0 / float(weakest @ following @ weakest)
        if smallest < stability * (len(kept) - len(removed) - 1):
            break
        projections = left @ direction
        leverage += projections**2 / slack
        solved += np.outer(projections, direction / slack)
        inverse = following
        alive[point] = False
        removed.append(point)
    return kept[np.array(removed, dtype=np.int64)]


def smallest_eigenvalue(rows):
    """Return the smallest eigenvalue of the mean outer product of rows, from their singular values."""
    if len(rows) < rows.shape[1]:
        return 0.0
    return float(np.linalg.svd(rows, compute_uv=False)[-1] ** 2 / len(rows))


def _matrix(Phi):
    """Return features in double precision, the dtype in which results come back, and the namespace."""
    Phi = as_matrix("Phi", Phi)
    xp = array_namespace(Phi=Phi)
    dtype = dtype_of(xp, output_dtype_name("Phi", Phi.dtype))
    return xp.astype(Phi, xp.float64, copy=False), dtype, xp
