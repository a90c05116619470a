"""Rotations of spherical functions."""

import functools
import math

import numpy as np

from spectralkit._core.checks import invalid
from spectralkit._core.dtypes import dtype_of, output_dtype_name
from spectralkit._core.namespaces import array_namespace, from_host
from spectralkit._core.parallel import block_ranges
from spectralkit.equivariant._arguments import (
    as_coefficients,
    as_real,
    broadcast_shape,
    check_degree,
    degrees,
)
from spectralkit.equivariant._harmonics import spherical_harmonics

_ORTHOGONAL = 1e-6
_LARGEST = 2048  # the next table would be of a degree that harmonics do not have


def wigner_d(lmax, R):
    """
    Return the matrices that rotate coefficients of spherical harmonics.

    ``wigner_d(lmax, R) @ spherical_harmonics(lmax, r)`` are the harmonics of ``R @ r``. Cost `O(lmax^4)` for
    a matrix; to rotate coefficients, `rotate` needs no matrix.

    Parameters
    ----------
    lmax : int
        Largest degree.
    R : array of shape (..., 3, 3)
        Orthogonal matrices; reflections are fine.

    Returns
    -------
    array of shape (..., (lmax + 1)**2, (lmax + 1)**2)
        Orthogonal matrices, one block on the diagonal for each degree.

    Raises
    ------
    ValueError
        If a matrix is further than 1e-6 from orthogonal, or ``lmax`` is negative or above 2048.
    TypeError
        If ``R`` is complex or of a dtype that is not supported.

    See Also
    --------
    rotate : Applies them.

    Notes
    -----
    A rotation is ``Z(α) X' Z(β) X Z(γ)``: turns about the polar axis, which mix the orders m and -m only, and
    a constant quarter turn X, computed once from sums over rings [1]_. All factors are orthogonal, so that
    errors stay at rounding at any degree. A reflection is minus a rotation, which multiplies degree l by
    ``(-1)^l``.

    References
    ----------
    .. [1] D. Pinchon and P. E. Hoggan, "Rotation matrices for real spherical harmonics: general rotations of
       atomic orbitals in space-fixed axes", Journal of Physics A 40, 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.equivariant import wigner_d
    >>> quarter = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    >>> wigner_d(1, quarter).round(9)[1:, 1:] + 0.0
    array([[ 0.,  0.,  1.],
           [ 0.,  1.,  0.],
           [-1.,  0.,  0.]])
    """
    lmax = check_degree("lmax", lmax)
    R, xp, dtype = _as_orthogonal(R)
    angles = _euler_angles(xp.expand_dims(R, axis=-3), xp)
    size = (lmax + 1) ** 2
    rows = []
    for l in range(lmax + 1):  # noqa: E741
        block = _apply(from_host(np.eye(2 * l + 1), xp, R), (l, l), angles, xp)
        before, after = ((*R.shape[:-2], 2 * l + 1, width) for width in (l * l, size - (l + 1) ** 2))
        zeros = [xp.zeros_like(xp.broadcast_to(block[..., :1], shape)) for shape in (before, after)]
        rows.append(xp.concat([zeros[0], xp.matrix_transpose(block), zeros[1]], axis=-1))
    return xp.astype(xp.concat(rows, axis=-2), dtype, copy=False)


@np.errstate(invalid="ignore")  # infinity minus infinity
def rotate(x, R):
    """
    Rotate spherical functions that are given by their coefficients.

    ``rotate(Y(r), R) == Y(R @ r)``; the rotated function is ``f(R' r)``. Cost `O(lmax^3)` for a row.

    Parameters
    ----------
    x : array of shape (..., (lmax + 1)**2)
        Coefficients.
    R : array of shape (..., 3, 3)
        Orthogonal matrices, whose leading axes broadcast against those of ``x``.

    Returns
    -------
    array of shape (..., (lmax + 1)**2)
        Coefficients of the rotated functions, in the precision of ``x`` whatever that of ``R``.

    Raises
    ------
    ValueError
        If the last axis of ``x`` is no square number, its degree is above 2048, or a matrix is further than
        1e-6 from orthogonal.
    TypeError
        If an array is complex or of a dtype that is not supported, or libraries are mixed.

    See Also
    --------
    wigner_d : The same as matrices.

    Notes
    -----
    See `wigner_d` for the factors. NaN stays in its row.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.equivariant import rotate, spherical_harmonics
    >>> swap = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    >>> r = np.array([0.6, 0.0, 0.8])
    >>> np.allclose(rotate(spherical_harmonics(5, r), swap), spherical_harmonics(5, swap @ r))
    True
    """
    given = getattr(x, "dtype", np.float64)
    x, xp, lmax = as_coefficients("x", x)
    R, _, _ = _as_orthogonal(R)
    array_namespace(x=x, R=R)
    broadcast_shape(x=(x, 1), R=(R, 2))
    turned = _apply(xp.astype(x, xp.float64), (0, lmax), _euler_angles(R, xp), xp)
    return xp.astype(turned, dtype_of(xp, output_dtype_name("x", given)), copy=False)


def _as_orthogonal(R):
    given = getattr(R, "dtype", np.float64)
    R, xp = as_real("R", R)
    if R.ndim < 2 or tuple(R.shape[-2:]) != (3, 3):
        raise ValueError(invalid("R", "of shape (..., 3, 3)", f"shape {tuple(R.shape)}"))
    R = xp.astype(R, xp.float64)
    if 0 not in R.shape:
        off = xp.matmul(xp.matrix_transpose(R), R) - from_host(np.eye(3), xp, R)
        error = float(xp.max(xp.abs(off)))
        if not error <= _ORTHOGONAL:
            given = f"max |R'R - I| = {error:.2g}"
            remedy = "Orthogonalise it, by its singular value decomposition."
            raise ValueError(invalid("R", "orthogonal to 1e-6", given, remedy))
    return R, xp, dtype_of(xp, output_dtype_name("R", given))


def _apply(x, span, angles, xp):
    """Return rotated coefficients of the degrees from the first to the last of ``span``."""
    alpha, beta, gamma, proper = angles
    x = turn(x, span, gamma, xp)
    x = quarter_turn(x, span, xp)
    x = turn(x, span, beta, xp)
    x = quarter_turn(x, span, xp, back=True)
    x = turn(x, span, alpha, xp)
    odd = from_host(degrees(span[1])[span[0] ** 2 :] % 2 == 1, xp, x)
    return xp.where(odd & ~proper[..., None], -x, x)


def _euler_angles(R, xp):
    """
    Return α, β, γ with ``±R = Rz(α) Ry(β) Rz(γ)``, and whether the sign is plus.

    Near the poles any split of α + γ will do, if the three give the matrix back.
    """
    cross = xp.linalg.cross(R[..., :, 0], R[..., :, 1])
    proper = xp.sum(cross * R[..., :, 2], axis=-1) > 0.0
    R = xp.where(proper[..., None, None], R, -R)
    alpha = xp.atan2(R[..., 1, 2], R[..., 0, 2])
    cosine, sine = xp.cos(alpha), xp.sin(alpha)
    # Rows of Rz(-α) R = Ry(β) Rz(γ).
    first = cosine * R[..., 0, 2] + sine * R[..., 1, 2]
    beta = xp.atan2(first, R[..., 2, 2])
    second = [cosine * R[..., 1, i] - sine * R[..., 0, i] for i in range(2)]
    return alpha, beta, xp.atan2(second[0], second[1]), proper


def turn(x, span, angle, xp):
    """Turn functions about the polar axis by angles of shape (...)."""
    m, flip = _orders(*span)
    phase = angle[..., None] * from_host(np.arange(span[1] + 1.0), xp, x)
    absolute = from_host(np.abs(m), xp, x)
    cosine = xp.take(xp.cos(phase), absolute, axis=-1)
    # Row m takes -sin from row -m, row -m takes sin from row m.
    sine = xp.take(xp.sin(phase), absolute, axis=-1) * from_host(-np.sign(m).astype(float), xp, x)
    return cosine * x + sine * xp.take(x, from_host(flip, xp, x), axis=-1)


def quarter_turn(x, span, xp, *, back=False):
    """Turn functions about the first axis, the second axis to the polar one, or back."""
    check_degree("lmax", span[1], _LARGEST)
    parts = []
    for l in range(span[0], span[1] + 1):  # noqa: E741
        # One table serves many degrees.
        block = _quarter_turns(max(8, 1 << max(l - 1, 0).bit_length()))[l]
        block = from_host(block if back else np.ascontiguousarray(block.T), xp, x)
        start = l * l - span[0] ** 2
        parts.append(xp.matmul(x[..., start : start + 2 * l + 1], block))
    return xp.concat(parts, axis=-1)


@functools.lru_cache(maxsize=64)
def _orders(low, high):
    """Return the order of each coefficient, and the place of the opposite order."""
    l = degrees(high)[low * low :]  # noqa: E741
    place = np.arange(len(l))
    m = place + low * low - l * l - l
    return m, place - 2 * m


@functools.lru_cache(maxsize=32)
def _quarter_turns(lmax):
    """
    Return the matrices ``D`` of ``Y(X r) = D Y(r)`` for the turn X of the second axis to the third.

    By sums over rings about the polar axis, on each of which harmonics of one degree are orthogonal: a few
    are enough, where a quadrature of the sphere takes `O(lmax)`. All harmonics are large on one of them,
    those that are odd in z and of high order on one at about ``z = lmax**-0.5``.
    """
    nodes = np.append(0.0, 0.8 * 0.5 ** np.arange(0.0, math.log2(lmax) + 1.0))
    n = 2 * lmax + 1
    phi = 2.0 * math.pi * np.arange(n) / n
    sine = np.sqrt((1.0 - nodes) * (1.0 + nodes))[:, None]
    points = np.stack([sine * np.cos(phi), sine * np.sin(phi), np.repeat(nodes[:, None], n, axis=1)], axis=-1)
    points, norms = points.reshape(-1, 3), np.zeros((lmax + 1) ** 2)
    blocks = [np.zeros((2 * l + 1, 2 * l + 1)) for l in range(lmax + 1)]  # noqa: E741
    for start, stop in block_ranges(len(points), 1024):
        x, y, z = points[start:stop].T
        Y = spherical_harmonics(lmax, points[start:stop])
        turned = spherical_harmonics(lmax, np.stack([x, -z, y], axis=1))
        norms += np.einsum("ij,ij->j", Y, Y)
        for l, block in enumerate(blocks):  # noqa: E741
            block += turned[:, l * l : (l + 1) ** 2].T @ Y[:, l * l : (l + 1) ** 2]
    blocks = [block / norms[l * l : (l + 1) ** 2] for l, block in enumerate(blocks)]  # noqa: E741
    # One Newton step to the nearest orthogonal matrix.
    return tuple(block + 0.5 * block @ (np.eye(len(block)) - block.T @ block) for block in blocks)
