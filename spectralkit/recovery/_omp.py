"""Greedy recovery with a Kronecker dictionary."""

import math
import numbers
from dataclasses import dataclass

import numpy as np

from spectralkit._core.arrays import power_of_two
from spectralkit._core.checks import check_integer, check_number, invalid
from spectralkit._core.namespaces import from_host
from spectralkit._core.results import Result
from spectralkit.recovery._arguments import (
    as_problem,
    cast,
)
from spectralkit.recovery._gaussian import flat_indices, full_length, host_floats
from spectralkit.recovery._products import adjoint_of, multiply, squared_modulus


@dataclass(frozen=True, repr=False, eq=False)
class KroneckerOMPResult(Result):
    """
    Sparse coefficients, as `kronecker_omp` returns them.

    Attributes
    ----------
    coef : array of shape (N,) or (N, L)
        Least-squares coefficients; zero outside of ``support``.
    support : array of int
        Sorted flat indices, in C order, of the Kronecker product of the chosen atoms.
    residual : float
        Norm of what the coefficients do not explain, relative to that of ``Y``.
    n_iter : int
        Products of atoms that were chosen.
    converged : bool
        Whether the atoms asked for were found, or the residual fell to ``tol``.
    status : str
        What happened.
    """

    coef: object
    support: object
    residual: float
    n_iter: int
    converged: bool
    status: str


def kronecker_omp(Y, dictionaries, *, n_nonzero, tol=0.0):
    """
    Recover sparse coefficients through a Kronecker dictionary, by orthogonal matching pursuit.

    The model is ``Y = (H_1 ⊗ ... ⊗ H_I) X + noise``. The greedy baseline: cheap, and good where the columns
    of each factor are nearly orthogonal and the number of atoms is known. Each step adds the product of atoms
    that is correlated most with the residual, one atom to each factor, and solves least squares on the
    Kronecker product of all chosen ones. Cost of a step `O(N max(n_i) I L)`; memory three arrays of the size
    of the larger of `M` and `N`.

    Parameters
    ----------
    Y : array of shape (M,), (M, L) or (m_1, .., m_I)
        Measurements, real or complex: one snapshot, `L` of them in columns with a common support, or one as a
        tensor in C order.
    dictionaries : sequence of arrays of shape (m_i, n_i), or one such array
        The factors ``H_i``; columns of zeros are never chosen.
    n_nonzero : int or sequence of ints
        Atoms to choose from each factor: one number for all, or one for each. The support has their product
        as many coefficients. Beyond m_i atoms of a factor the coefficients are those of least norm.
    tol : float, default=0.0
        Norm of the residual, relative to that of ``Y``, at which to stop earlier.

    Returns
    -------
    KroneckerOMPResult
        Coefficients, support and residual.

    Raises
    ------
    ValueError
        If shapes do not match, something is not finite, or a number is out of range.
    TypeError
        If the arrays are of different libraries, or of a dtype that is not supported.

    See Also
    --------
    kronecker_sbl : Needs no number of atoms, and finds supports that this one misses.
    sklearn.linear_model.orthogonal_mp : For one real matrix.

    Notes
    -----
    Correlations are with columns of unit norm. Where a factor has all its atoms, only those are candidates. A
    step that adds nothing ends the pursuit: the residual is then orthogonal to every candidate.

    References
    ----------
    .. [1] C. F. Caiafa and A. Cichocki, "Computing sparse representations of multidimensional signals
       using Kronecker bases", Neural Computation 25(1), 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.recovery import kronecker_matvec, kronecker_omp
    >>> rng = np.random.default_rng(0)
    >>> dictionaries = [rng.standard_normal((10, 12)), rng.standard_normal((10, 12))]
    >>> x = np.zeros((12, 12))
    >>> x[np.ix_([1, 4], [3, 8])] = [[2.0, 1.0], [-1.0, 3.0]]
    >>> result = kronecker_omp(kronecker_matvec(dictionaries, x), dictionaries, n_nonzero=2)
    >>> np.allclose(result.coef, x.ravel())
    True
    """
    tol = check_number("tol", tol, 0.0)
    columns, factors, single, dtype, xp = as_problem(Y, dictionaries)
    wanted = _counts(n_nonzero, factors)
    shape = tuple(factor.shape[1] for factor in factors)
    # Powers of two keep squares in range; norms make correlations comparable.
    units, unit = [power_of_two(factor, xp) for factor in factors], power_of_two(columns, xp)
    factors, columns = [f / u for f, u in zip(factors, units, strict=True)], columns / unit
    analysis = [adjoint_of(_unit_columns(factor, xp), xp) for factor in factors]
    chosen = [np.zeros(0, dtype=np.intp) for _ in factors]
    total = math.sqrt(float(xp.sum(squared_modulus(columns, xp))))
    residual, left, n_iter = columns, total, 0
    solution = columns[:0, :]
    while left > tol * total and any(len(c) < k for c, k in zip(chosen, wanted, strict=True)):
        candidates = [
            np.arange(n) if len(c) < k else c for c, k, n in zip(chosen, wanted, shape, strict=True)
        ]
        rows = [xp.take(a, from_host(j, xp, a), axis=0) for a, j in zip(analysis, candidates, strict=True)]
        strength = xp.sum(squared_modulus(multiply(rows, residual, xp), xp), axis=1)
        place = np.unravel_index(int(xp.argmax(strength)), tuple(map(len, candidates)))
        picked = [int(j[p]) for j, p in zip(candidates, place, strict=True)]
        if float(xp.max(strength)) == 0.0 or all(p in c for p, c in zip(picked, chosen, strict=True)):
            break
        chosen = [np.union1d(c, [p]).astype(np.intp) for c, p in zip(chosen, picked, strict=True)]
        atoms = [xp.take(f, from_host(c, xp, f), axis=1) for f, c in zip(factors, chosen, strict=True)]
        solution = multiply([xp.linalg.pinv(atom) for atom in atoms], columns, xp)
        residual = columns - multiply(atoms, solution, xp)
        left, n_iter = math.sqrt(float(xp.sum(squared_modulus(residual, xp)))), n_iter + 1
    found = all(len(c) >= k for c, k in zip(chosen, wanted, strict=True))
    coef = full_length(solution, chosen, shape, xp) * (unit / math.prod(units))
    relative = left / total if total > 0.0 else 0.0
    counts = ", ".join(str(len(c)) for c in chosen)
    return KroneckerOMPResult(
        coef=cast(coef[:, 0] if single else coef, dtype, xp),
        support=from_host(flat_indices(chosen, shape), xp, columns),
        residual=relative,
        n_iter=n_iter,
        converged=found or left <= tol * total,
        status=f"Chose {counts} atoms; the residual is {relative:.2e} of the measurements.",
    )


def _counts(n_nonzero, factors):
    """Return the number of atoms wanted from each factor."""
    if getattr(n_nonzero, "ndim", None) == 0:
        n_nonzero = n_nonzero.item()
    if isinstance(n_nonzero, numbers.Integral):
        n_nonzero = [n_nonzero] * len(factors)
    counts = list(n_nonzero) if hasattr(n_nonzero, "__iter__") else None
    if counts is None:
        raise TypeError(invalid("n_nonzero", "an integer or a sequence of them", n_nonzero))
    if len(counts) != len(factors):
        raise ValueError(invalid("n_nonzero", f"one integer or {len(factors)} of them", n_nonzero))
    return [
        check_integer(
            f"n_nonzero[{i}]", count, 1, factor.shape[1], f"Factor {i} has {factor.shape[1]} atoms."
        )
        for i, (count, factor) in enumerate(zip(counts, factors, strict=True))
    ]


def _unit_columns(factor, xp):
    lengths = np.sqrt(host_floats(xp.sum(squared_modulus(factor, xp), axis=0)))
    inverse = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0.0)
    return factor * from_host(inverse, xp, factor)[None, :]
