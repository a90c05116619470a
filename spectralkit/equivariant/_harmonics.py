"""Real spherical harmonics."""

import math

import numpy as np

from spectralkit._core.checks import check_option
from spectralkit._core.dtypes import dtype_of, output_dtype_name
from spectralkit._core.namespaces import is_numpy
from spectralkit.equivariant._arguments import as_unit_vectors, check_degree
from spectralkit.equivariant._harmonics_numba import SCALE, harmonics
from spectralkit.equivariant._kept import kept
from spectralkit.equivariant._legendre import recurrence

# Above, factors of harmonics underflow that are not negligible: on a circle about a pole, of sine 1/e.
_LARGEST = 3400


def spherical_harmonics(lmax, xyz, *, polar_axis="z"):
    """
    Return all real spherical harmonics up to a degree, of directions.

    Cost `O(lmax^2)` for a direction.

    Parameters
    ----------
    lmax : int
        Largest degree, up to 3400.
    xyz : array of shape (..., 3)
        Vectors; only their directions matter.
    polar_axis : str, default="z"
        "z": the polar axis is the third one; "y": the second one, and angles are counted from z to x, as in
        e3nn, which then has the same coefficients in the same order.

    Returns
    -------
    array of shape (..., (lmax + 1)**2)
        The harmonic of degree l and order m at the place ``l*l + l + m``.

    Raises
    ------
    ValueError
        If a vector is zero or not finite, the last axis is not 3, or ``lmax`` is negative or too large.
    TypeError
        If ``xyz`` is complex or of a dtype that is not supported.

    See Also
    --------
    wigner_d : How they change under rotations.
    gaunt_coefficients : What their products are made of.

    Notes
    -----
    Orthonormal, ``∫ Y_lm Y_l'm' = δ`` over the unit sphere, without the Condon-Shortley phase:
    ``P_lm(cos θ) cos(mφ) / √π`` for m > 0, with ``sin(|m|φ)`` for m < 0, and ``P_l0(cos θ) / √(2π)``, where
    ``∫ P_lm² = 1`` over [-1, 1] [1]_. Computed in float64 by the recurrence in l, which is stable, from
    powers of ``x + iy``, so that the poles are no exception. Close to them a rounding of a component counts
    ``lmax**2`` times: at degree 3400 errors reach 1e-9.

    References
    ----------
    .. [1] F. W. J. Olver et al., "NIST Handbook of Mathematical Functions", section 14.30, 2010.

    Examples
    --------
    >>> from spectralkit.equivariant import spherical_harmonics
    >>> spherical_harmonics(1, [0.0, 0.0, 2.0]).round(4)
    array([0.2821, 0.    , 0.4886, 0.    ])
    """
    lmax = check_degree("lmax", lmax, _LARGEST)
    check_option("polar_axis", polar_axis, ("z", "y"))
    directions, xp = as_unit_vectors("xyz", xyz)
    dtype = dtype_of(xp, output_dtype_name("xyz", xyz.dtype)) if hasattr(xyz, "dtype") else xp.float64
    x, y, z = (directions[..., i] for i in range(3))
    if polar_axis == "y":
        x, y, z = z, x, y
    sectoral, a, b = _factors(lmax > 256, lmax)
    if is_numpy(xp):
        rows = np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1)
        out = np.empty((len(rows), (lmax + 1) ** 2), dtype=np.float32 if dtype == np.float32 else np.float64)
        harmonics(rows, sectoral, a, b, out)
        return out.reshape(*directions.shape[:-1], out.shape[1]).astype(dtype, copy=False)
    Y = xp.stack(_rows(lmax, x, y, z, sectoral, a, b), axis=-1) / SCALE
    return xp.astype(Y, dtype, copy=False)


@kept
def _factors(lmax):
    """Return the factors from one sectoral harmonic to the next, and those of the recurrence in l."""
    m = np.arange(lmax + 1)
    sectoral = np.sqrt((2.0 * m + 1.0) / np.maximum(2.0 * m, 1.0))
    sectoral[0] = math.sqrt(0.25 / math.pi) * SCALE
    # From P_00 / √2π to P_11 / √π.
    sectoral[1:2] *= sectoral[0] * math.sqrt(2.0)
    a, b = np.zeros((lmax + 1, lmax + 1)), np.zeros((lmax + 1, lmax + 1))
    for l in range(1, lmax + 1):  # noqa: E741
        a[l, :l], b[l, :l] = recurrence(l, m[:l])
    return sectoral, a, b


def _rows(lmax, x, y, z, sectoral, a, b):
    """Return the harmonics as a list of arrays, by array operations."""
    rows = [None] * (lmax + 1) ** 2
    cosine = sine = None
    for m in range(lmax + 1):
        factor = float(sectoral[m])
        if m < 2:
            cosine, sine = (factor * x, factor * y) if m else (x * 0.0 + factor, None)
        else:
            cosine, sine = factor * (x * cosine - y * sine), factor * (x * sine + y * cosine)
        for order, old in ((m, cosine), (-m, sine))[: 2 if m else 1]:
            older = None
            rows[m * m + m + order] = old
            for l in range(m + 1, lmax + 1):  # noqa: E741
                new = float(a[l, m]) * z * old
                if older is not None:
                    new = new - float(a[l, m] * b[l, m]) * older
                older, old = old, new
                rows[l * l + l + order] = new
    return rows
