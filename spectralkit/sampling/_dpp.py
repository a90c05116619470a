"""Exact sampling: Christoffel density, projection determinantal point processes, volume sampling."""

import math

import array_api_compat
import numpy as np
import scipy.linalg

from spectralkit._core.checks import check_integer, check_option, invalid
from spectralkit._core.namespaces import array_namespace, from_host, to_host
from spectralkit._core.parallel import block_ranges, one_blas_thread
from spectralkit._core.random import as_entropy, as_rng, block_rng
from spectralkit.sampling._arguments import as_matrix
from spectralkit.sampling._basis import as_basis
from spectralkit.sampling._dpp_numba import accept_in_block

# Proposals in a block: enough for matrix products to run at speed, few enough for the block to stay in cache.
_BLOCK = 256
# A proposal closer than this to the span of the accepted ones, relative to its own length, squared, is in it
# up to rounding.
_FLOOR = 1e-14
# Pivots of a Gram matrix of unit columns, relative to the largest, below which they may be dependent:
# rounding leaves about 1e-8 of those that are.
_DEPENDENT = 1e-6
# Rows that fit into the cache together.
_ROWS = 512


def sample_christoffel(basis, n, *, rng=None):
    """
    Draw independent points from the optimal density ``K(x, x) / m``.

    Weighted by its inverse, these points make least squares stable with about ``m log m`` of them, whatever
    the basis and the dimension. Fewer do with `sample_dpp`. Cost `O(n d degree)`.

    Parameters
    ----------
    basis : TensorPolynomialBasis
        The basis, of m functions.
    n : int
        Number of points.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness.

    Returns
    -------
    array of shape (n, d)
        Independent points.

    Raises
    ------
    ValueError
        If ``n`` is below 1.
    TypeError
        If ``basis`` is not a `TensorPolynomialBasis`.

    See Also
    --------
    christoffel_density : The density, whose inverse are the weights.
    sample_dpp : Points that repel each other.

    Notes
    -----
    ``K(x, x) = Σ_j φ_j(x)²`` has integral m, so the density is a mixture of the ``φ_j²``: one function is
    drawn, then each coordinate from the square of its univariate factor [2]_, by rejection or by the inverse
    of the distribution function, to rounding.

    References
    ----------
    .. [1] A. Cohen and G. Migliorati, "Optimal weighted least-squares methods", SMAI Journal of
       Computational Mathematics 3, 2017, arXiv:1608.00512.
    .. [2] A. Narayan, "Computation of induced orthogonal polynomial distributions", Electronic
       Transactions on Numerical Analysis 50, 2018, arXiv:1704.08465.

    Examples
    --------
    >>> from spectralkit.sampling import TensorPolynomialBasis, sample_christoffel
    >>> basis = TensorPolynomialBasis("hermite", 3, n_dims=2)
    >>> sample_christoffel(basis, 5, rng=0).shape
    (5, 2)
    """
    as_basis(basis)
    n = check_integer("n", n, 1)
    return basis._sample_christoffel(n, as_rng(rng))


def sample_dpp(basis, *, n_repeats=1, rng=None):
    """
    Draw exactly from the projection determinantal point process of a basis.

    As many points as the basis has functions, that repel each other: least squares on them, weighted by the
    inverse of the Christoffel density, is far more stable than on independent points, and unbiased. Cost
    `O(m^3)`, and m H_m evaluations of the basis (H_m the harmonic number); memory about three arrays of
    m squared doubles.

    Parameters
    ----------
    basis : TensorPolynomialBasis
        The basis, of m functions.
    n_repeats : int, default=1
        Number of independent draws.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness. Each draw has its own stream.

    Returns
    -------
    array of shape (n_repeats, m, d)
        The draws, each in random order.

    Raises
    ------
    ValueError
        If ``n_repeats`` is below 1.
    TypeError
        If ``basis`` is not a `TensorPolynomialBasis`.

    See Also
    --------
    sample_volume : Any number of points, unbiased too.
    sample_dpp_finite : The same for the rows of a matrix.

    Notes
    -----
    The density of the points is ``det[K(x_i, x_j)] / m!`` with respect to the measure of the basis, and each
    point alone has density ``K(x, x) / m``. The chain rule [1]_ is run as one stream of independent proposals
    from that density: a proposal is accepted with the share of its vector ``(φ_j(x))_j`` that is orthogonal
    to those accepted before. That takes m H_m proposals on average, and never a wrong point: there is no
    limit on their number, and it has an exponential tail.

    References
    ----------
    .. [1] J. B. Hough, M. Krishnapur, Y. Peres and B. Virág, "Determinantal processes and independence",
       Probability Surveys 3, 2006.
    .. [2] A. Nouy and B. Michel, "Weighted least-squares approximation with determinantal point processes
       and generalized volume sampling", 2023, arXiv:2312.14057.

    Examples
    --------
    >>> from spectralkit.sampling import TensorPolynomialBasis, sample_dpp
    >>> basis = TensorPolynomialBasis("legendre", 3, n_dims=2)
    >>> sample_dpp(basis, n_repeats=4, rng=0).shape
    (4, 10, 2)
    """
    as_basis(basis)
    n_repeats = check_integer("n_repeats", n_repeats, 1)
    entropy = as_entropy(rng)
    with one_blas_thread():
        sources = (_Continuous(basis, block_rng(entropy, repeat)) for repeat in range(n_repeats))
        return np.stack([_draw(source, basis.n_features)[0] for source in sources])


def sample_volume(basis, n, *, reference="christoffel", rng=None):
    """
    Draw points by volume sampling, generalised to weighted least squares.

    At least as many points as functions, with density proportional to the determinant of the Gram matrix: the
    coefficients of weighted least squares are then unbiased for every n. Cost that of `sample_dpp`, and
    `O((n - m) d degree)`.

    Parameters
    ----------
    basis : TensorPolynomialBasis
        The basis, of m functions.
    n : int
        Number of points, at least m.
    reference : str, default="christoffel"
        Density of the points beyond m: "christoffel" for the optimal one, with weights its inverse; "measure"
        for that of the basis, with weights 1.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness.

    Returns
    -------
    array of shape (n, d)
        The points, in random order.

    Raises
    ------
    ValueError
        If ``n`` is below m, or ``reference`` is unknown.
    TypeError
        If ``basis`` is not a `TensorPolynomialBasis`.

    See Also
    --------
    sample_dpp : For n = m.

    Notes
    -----
    The density is ``det(Φ^T W Φ)`` times that of n independent points of the reference, normalised [1]_ [2]_.
    It is that of one draw of the determinantal point process and n - m independent points of the reference,
    in random order, which is how it is drawn. With G the weighted mean of ``φ φ^T`` over the points the
    inverse satisfies ``E[G^-1] = n / (n - m + 1) I``.

    References
    ----------
    .. [1] M. Dereziński, M. K. Warmuth and D. Hsu, "Unbiased estimators for random design regression",
       Journal of Machine Learning Research 23, 2022, arXiv:1907.03411.
    .. [2] A. Nouy and B. Michel, "Weighted least-squares approximation with determinantal point processes
       and generalized volume sampling", 2023, arXiv:2312.14057.

    Examples
    --------
    >>> from spectralkit.sampling import TensorPolynomialBasis, sample_volume
    >>> basis = TensorPolynomialBasis("legendre", 3, n_dims=2)
    >>> sample_volume(basis, 15, rng=0).shape
    (15, 2)
    """
    m = as_basis(basis).n_features
    remedy = f"The basis has {m} functions."
    n = check_integer("n", n, m, remedy=remedy)
    check_option("reference", reference, ("christoffel", "measure"))
    entropy = as_entropy(rng)
    with one_blas_thread():
        points = _draw(_Continuous(basis, block_rng(entropy, 0)), m)[0]
    if n == m:
        return points
    rng = block_rng(entropy, 1)
    draw = basis.sample_measure if reference == "measure" else basis._sample_christoffel
    more = draw(n - m, rng)
    return rng.permutation(np.concatenate([points, more]))


def sample_dpp_finite(Phi, *, n_repeats=1, rng=None):
    """
    Draw rows of a matrix exactly from its projection determinantal point process.

    As many rows as columns, with probability proportional to the square of the determinant: a small subset on
    which least squares is stable and unbiased. Cost `O(N m^2)` once, and `O(N + m^3)` for each draw.

    Parameters
    ----------
    Phi : array of shape (N, m)
        Features of N points, of rank m; only the span of the columns matters.
    n_repeats : int, default=1
        Number of independent draws.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness. Each draw has its own stream.

    Returns
    -------
    array of int of shape (n_repeats, m)
        Indices of rows, in random order; no two of a draw are the same.

    Raises
    ------
    ValueError
        If ``Phi`` is not a finite matrix, or the columns are linearly dependent; the rank is reported.
    TypeError
        If its dtype is not supported.

    See Also
    --------
    sample_dpp : The same for a basis in a continuous domain.

    Notes
    -----
    Row i is in the draw with probability its leverage score, ``φ_i^T (Φ^T Φ)^-1 φ_i``. Weighted by their
    inverses, least squares on the subset is unbiased for that on all rows.

    References
    ----------
    .. [1] M. Dereziński and M. W. Mahoney, "Determinantal point processes in randomized numerical linear
       algebra", Notices of the AMS 68(1), 2021, arXiv:2005.03185.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.sampling import sample_dpp_finite
    >>> Phi = np.vander(np.linspace(-1, 1, 100), 4)
    >>> rows = sample_dpp_finite(Phi, n_repeats=3, rng=0)
    >>> rows.shape, len(set(rows[0].tolist()))
    ((3, 4), 4)
    """
    n_repeats = check_integer("n_repeats", n_repeats, 1)
    if array_api_compat.is_numpy_array(Phi) and Phi.dtype == np.float64 and Phi.ndim == 2 and Phi.size:
        Q, leverage = Phi, _leverage_if_orthonormal(Phi)
    else:
        Phi, leverage = as_matrix("Phi", Phi), None
    if leverage is None:
        Q = to_host(_orthonormal_columns(as_matrix("Phi", Phi)))
        leverage = np.einsum("ij,ij->i", Q, Q)
    m = Q.shape[1]
    # Rows of no leverage are in no subset: rounding must not propose them.
    leverage[leverage <= m * np.finfo(float).eps ** 2] = 0.0
    cumulative = np.cumsum(leverage)
    entropy = as_entropy(rng)
    with one_blas_thread():
        sources = (_Finite(Q, cumulative, block_rng(entropy, repeat)) for repeat in range(n_repeats))
        rows = np.stack([_draw(source, m)[0] for source in sources])
    return from_host(rows, array_namespace(Phi=Phi), Phi)


def _leverage_if_orthonormal(Phi):
    """
    Return the leverage scores of a matrix whose columns are orthonormal, None for any other.

    One pass over the rows, for squared norms and ``Φ^T Φ v``, which is v for orthonormal columns alone: two
    random vectors v tell, where the whole Gram matrix would cost more than the draw.
    """
    n, m = Phi.shape
    probes = np.random.default_rng(0).standard_normal((m, 2))
    leverage, images = np.empty(n), np.zeros((m, 2))
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is not orthonormal
        for start, stop in block_ranges(n, _ROWS):
            block = Phi[start:stop]
            np.einsum("ij,ij->i", block, block, out=leverage[start:stop])
            images += block.T @ (block @ probes)
    return leverage if np.max(np.abs(images - probes)) <= 1e-11 * math.sqrt(m) else None


def _orthonormal_columns(Phi):
    """Return an orthonormal basis of the columns of a host or device matrix, in double precision."""
    if Phi.shape[0] < Phi.shape[1]:
        remedy = "There are fewer rows than columns, so the columns are linearly dependent."
        raise ValueError(invalid("Phi", "of at least as many rows as columns", f"shape {Phi.shape}", remedy))
    xp = array_namespace(Phi=Phi)
    Phi = xp.astype(Phi, xp.float64, copy=False)
    # By the largest entry, so that squares are in range, and then by the norm.
    for length in (lambda x: xp.max(xp.abs(x), axis=0), lambda x: xp.sqrt(xp.sum(x * x, axis=0))):
        lengths = length(Phi)
        Phi = Phi / xp.where(lengths > 0.0, lengths, xp.ones_like(lengths))
    Q = _cholesky_qr(Phi, xp)
    if Q is not None:
        return Q
    Q, R = xp.linalg.qr(Phi)
    values = np.linalg.svd(to_host(R), compute_uv=False)
    rank = int(np.count_nonzero(values > max(Phi.shape) * np.finfo(float).eps * values[0]))
    if rank < len(values):
        remedy = "Drop columns, or take an orthonormal basis of their span."
        raise ValueError(invalid("Phi", f"of rank {len(values)}, its columns", f"rank {rank}", remedy))
    return Q


def _cholesky_qr(Phi, xp):
    """
    Return an orthonormal basis of the columns by two Cholesky factorisations of Gram matrices, or None.

    Several times faster than reflections, and as exact where the first pass leaves the columns nearly
    orthonormal, that is for condition numbers up to about 1e7.
    """
    for _ in range(2):
        gram = Phi.T @ Phi
        try:
            factor = np.linalg.cholesky(to_host(gram))
        except np.linalg.LinAlgError:
            return None
        pivots = np.diag(factor)
        if np.min(pivots) < _DEPENDENT * np.max(pivots):
            return None
        inverse = scipy.linalg.solve_triangular(factor, np.eye(len(factor)), lower=True)
        Phi = Phi @ from_host(np.ascontiguousarray(inverse.T), xp, Phi)
        if np.max(np.abs(to_host(Phi.T @ Phi) - np.eye(len(factor)))) < 1e-12:
            return Phi
    return None


class _Continuous:
    """Proposals from the Christoffel density of a basis."""

    def __init__(self, basis, rng):
        self.basis, self.rng = basis, rng

    def propose(self, n):
        X = self.basis._sample_christoffel(n, self.rng)
        return X, self.basis._directions(X)


class _Finite:
    """Proposals of rows, by their leverage scores."""

    def __init__(self, rows, cumulative, rng):
        self.rows, self.cumulative, self.rng = rows, cumulative, rng

    def propose(self, n):
        places = np.searchsorted(self.cumulative, self.rng.random(n) * self.cumulative[-1], side="right")
        places = np.minimum(places, len(self.rows) - 1)
        rows = self.rows[places]
        return places, rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _draw(source, m):
    """
    Return one draw of m points in random order, and how many proposals it took, m H_m on average.

    The chain rule as one stream of independent proposals: each is accepted with the squared distance of its
    unit vector from the span of those accepted before. That only falls, so a block of proposals can be
    compared with the accepted ones at once, and among themselves by a Cholesky factorisation that skips the
    rejected ones. Up to half way distances are what a basis of the span leaves; then they are projections on
    a basis of its complement, which shrinks as the probability of acceptance does.
    """
    chosen, n_proposals = [], 0
    span, complement = np.empty((0, m)), None
    missing = m
    # A thousand times the average: chance does that with probability exp(-1000), so rounding is at fault.
    limit = 1000 * m * (1.0 + math.log(m)) + 10 * _BLOCK
    while missing:
        # About as many as are still needed, but no more inner products than a block of m has.
        size = min(_BLOCK, max(64, m), math.ceil(m * (1.0 + math.log(missing))))
        points, rows = source.propose(size)
        thresholds = source.rng.random(size)
        left = rows - (rows @ span.T) @ span if complement is None else rows @ complement
        accepted = np.empty(size, dtype=np.int64)
        factor = np.empty((size, min(size, missing)))
        count, seen = accept_in_block(left @ left.T, thresholds, _FLOOR, missing, accepted, factor)
        n_proposals += seen
        if n_proposals > limit:
            raise np.linalg.LinAlgError(
                f"{m - missing} of {m} points were found among {n_proposals} proposals: the functions "
                "cannot be told apart where their measure lies. Take a lower degree, or less extreme "
                "exponents."
            )
        if not count:
            continue
        accepted = accepted[:count]
        chosen.append(points[accepted])
        missing -= count
        if complement is None:
            rows = _orthonormal(left[accepted], factor[accepted, :count], span)
            span = np.concatenate([span, rows])
            if 2 * len(span) >= m and missing:
                complement = _complement(span)
        elif missing:
            complement = _deflated(complement, left[accepted])
    return source.rng.permutation(np.concatenate(chosen)), n_proposals


def _orthonormal(rows, factor, span):
    """Return an orthonormal basis of rows, orthogonal to ``span``, by their Cholesky factor."""
    Q = scipy.linalg.solve_triangular(factor, rows, lower=True, check_finite=False)
    Q -= (Q @ span.T) @ span  # again: what was nearly in the span has lost its digits
    gram = Q @ Q.T
    if np.max(np.abs(gram - np.eye(len(Q)))) < 1e-3:
        # The second pass of a Cholesky QR factorisation: orthonormal to rounding.
        return scipy.linalg.solve_triangular(np.linalg.cholesky(gram), Q, lower=True, check_finite=False)
    return np.linalg.qr(Q.T)[0].T


def _complement(span):
    """Return an orthonormal basis, in columns, of what is orthogonal to orthonormal rows."""
    k, m = span.shape
    reflectors, scales, _, _ = scipy.linalg.lapack.dgeqrf(span.T)
    rest = np.zeros((m, m - k), order="F")
    rest[k:] = np.eye(m - k)
    return _times_reflectors("L", reflectors, scales, rest)


def _deflated(complement, coordinates):
    """Return a basis of what in the span of ``complement`` is orthogonal to vectors given by coordinates."""
    reflectors, scales, _, _ = scipy.linalg.lapack.dgeqrf(coordinates.T)
    rotated = _times_reflectors("R", reflectors, scales, complement)
    return np.asfortranarray(rotated[:, len(coordinates) :])


def _times_reflectors(side, reflectors, scales, matrix):
    """Multiply a matrix by the orthogonal factor of a QR factorisation that is kept as reflectors."""
    multiply = scipy.linalg.lapack.dormqr
    work = multiply(side, "N", reflectors, scales, matrix, -1)[1]
    return multiply(side, "N", reflectors, scales, matrix, int(work[0].real))[0]
