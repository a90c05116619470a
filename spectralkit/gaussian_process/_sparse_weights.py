"""Sparse spectral weights by evidence."""

import numpy as np

from spectralkit._core.arrays import as_numbers
from spectralkit._core.checks import check_integer, check_number, invalid
from spectralkit._core.dtypes import dtype_name
from spectralkit._core.namespaces import array_namespace, from_host, to_host
from spectralkit.gaussian_process._arguments import (
    as_finite,
    as_parameter,
    as_result,
    check_ndim,
    exponent,
)


def sparse_spectral_weights(Phi, y, noise_var, groups, *, n_iter=40, prune=1e-6):
    """
    Learn one prior variance for each group of columns, most of which become zero.

    For a dictionary with a sine and a cosine for each line of a dense grid it says which lines a noisy
    signal has, and how strong they are. Costs `O(n p^2)` once and `O(p r^2)` for each iteration, with r
    columns left, where p > n with n in place of the first p; memory `O(n p)`.

    Parameters
    ----------
    Phi : array of shape (n, p)
        Dictionary, of any array library.
    y : array of shape (n,)
        Signal.
    noise_var : float
        Variance of the noise, positive.
    groups : array of shape (p,)
        Integer labels of columns; those with the same label share their variance.
    n_iter : int, default=40
        Number of iterations.
    prune : float, default=1e-6
        Groups whose variance falls to this share of the largest are dropped for good. For a noisy signal
        raise it above ``noise_var / n`` over the largest weight: lines that fit some of the noise are
        about so strong.

    Returns
    -------
    weights : array of shape (G,)
        Prior variance of each group, labels ascending; 0 for those that were dropped. Of the dtype that
        the arrays have in common; computed in double.
    active : array of shape (G,)
        Which groups are left, bool.

    Raises
    ------
    ValueError
        If shapes do not match, values are not finite or out of range, or no float can hold the weights.
    TypeError
        If arrays are complex or of different libraries, or labels are no integers.

    See Also
    --------
    esprit : Frequencies that are on no grid, for signals with little noise.

    Notes
    -----
    The fixed point of the evidence [1]_, [2]_, for groups: ``w_g <- |c_g|^2 / γ_g``, with c the posterior
    mean of the coefficients and ``γ_g = Σ (1 - posterior variance / prior variance)`` the number of
    coefficients that the data determine. Updates keep variances positive. Their prior ``p(w) = 1 / w``
    is what makes them sparse. Each iteration takes one singular value decomposition of the scaled
    columns, which are never squared into a Gram matrix. It stops after ``n_iter`` iterations, or when
    nothing is left.

    References
    ----------
    .. [1] D. J. C. MacKay, "Bayesian Interpolation", Neural Computation 4 (1992), 415-447.
    .. [2] M. E. Tipping, "Sparse Bayesian Learning and the Relevance Vector Machine", Journal of Machine
       Learning Research 1 (2001), 211-244.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.gaussian_process import sparse_spectral_weights
    >>> x, lines = np.linspace(0.0, 1.0, 300), np.arange(1, 61)
    >>> phase = 2.0 * np.outer(x, lines)
    >>> y = 3.0 * np.sin(24.0 * x) + np.cos(70.0 * x)
    >>> y = y + 0.1 * np.random.default_rng(0).standard_normal(300)
    >>> Phi, groups = np.hstack([np.cos(phase), np.sin(phase)]), np.tile(lines, 2)
    >>> weights, active = sparse_spectral_weights(Phi, y, 0.01, groups, prune=1e-3)
    >>> 2 * lines[active]
    array([24, 70])
    """
    Phi, _, Phi_dtype = as_finite("Phi", Phi)
    y, _, y_dtype = as_finite("y", y)
    xp = array_namespace(Phi=Phi, y=y)
    check_ndim("Phi", Phi, 2, "(n, p)")
    n, p = Phi.shape
    if not n or not p:
        raise ValueError(invalid("Phi", "not empty", f"shape {(n, p)}"))
    if tuple(y.shape) != (n,):
        raise ValueError(invalid("y", f"of shape ({n},), as many as rows of Phi", f"shape {tuple(y.shape)}"))
    noise_var = check_number("noise_var", noise_var, 0.0, open_low=True)
    labels, index = np.unique(_check_groups(groups, p), return_inverse=True)
    n_iter = check_integer("n_iter", n_iter, 1)
    prune = check_number("prune", prune, 0.0, 1.0, open_high=True)
    # In units in which squares neither overflow nor vanish.
    Phi_unit, y_unit = (exponent(float(xp.max(xp.abs(array)))) for array in (Phi, y))
    Phi, y = Phi * 2.0**-Phi_unit, y * 2.0**-y_unit
    with np.errstate(over="ignore"):  # infinite noise: nothing is left
        noise_var = max(float(np.ldexp(noise_var, -2 * y_unit)), np.finfo(np.float64).tiny)
    A, b = Phi, y
    if n > p:  # what is orthogonal to all columns tells nothing about them
        Q, A = xp.linalg.qr(Phi)
        b = Q.T @ y
    # Of the scale of the signal, as if each column explained it alone on average.
    energy = float(xp.sum(Phi * Phi))
    share = float(xp.sum(y * y)) / energy if energy > 0.0 else 0.0
    weights, active = np.full(len(labels), share), np.full(len(labels), share > 0.0)
    for _ in range(n_iter):
        if not active.any():
            break
        columns = np.flatnonzero(active[index])
        group = index[columns]
        deviations = np.sqrt(weights[group])
        scaled = xp.take(A, from_host(columns, xp, A), axis=1) * from_host(deviations, xp, A)
        U, s, Vh = xp.linalg.svd(scaled, full_matrices=False)
        filtered = s / (s * s + noise_var)
        mean = deviations * to_host(Vh.T @ (filtered * (U.T @ b)))
        determined = to_host((Vh.T * Vh.T) @ (s * filtered))
        squares = np.bincount(group, mean * mean, len(labels))
        counts = np.bincount(group, determined, len(labels))
        weights = np.divide(squares, counts, out=np.zeros(len(labels)), where=counts > 0.0)
        active &= weights > prune * weights.max()
        weights[~active] = 0.0
    with np.errstate(over="ignore"):
        weights = np.ldexp(weights, 2 * (y_unit - Phi_unit))
    dtype = _common_dtype(Phi_dtype, y_dtype, xp)
    weights = as_result(from_host(weights, xp, A), xp, dtype, "Phi and y", "every weight")
    left = weights > 0.0
    if active.any() and not bool(xp.any(left)):
        constraint = f"of a size for which weights are positive in {dtype_name(dtype)}"
        raise ValueError(invalid("Phi and y", constraint, "values whose weights vanish"))
    return weights, left


def _common_dtype(first, second, xp):
    """Return the dtype of results of two arrays of float dtypes."""
    if first == second:
        return first
    # Neither of two half precisions holds the other.
    return xp.float64 if xp.float64 in (first, second) else xp.float32


def _check_groups(groups, p):
    """Return the labels on the host."""
    labels = as_numbers("groups", groups)
    if dtype_name(labels.dtype).startswith(("int", "uint")):
        labels = np.asarray(to_host(labels))  # as they are: doubles do not hold all of them
    else:
        labels = as_parameter("groups", labels)
    if labels.shape != (p,):
        raise ValueError(invalid("groups", f"of shape ({p},), one for each column", f"shape {labels.shape}"))
    if labels.dtype.kind == "f" and (labels != np.floor(labels)).any():
        raise TypeError(invalid("groups", "integer labels", "fractions"))
    return labels
