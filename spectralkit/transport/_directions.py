"""Directions to project on: independent, orthogonal and quasi-random."""

import functools
import math

import numpy as np

from spectralkit._core.checks import check_integer, check_option
from spectralkit._core.random import as_rng

KINDS = ("iid", "orthogonal", "qmc")
# Independent randomisations behind a standard error, at the least.
RANDOMISATIONS = 8
# Numbers that a set of reference frames may keep, at the most.
_REFERENCE_ELEMENTS = 1 << 20
# Dimensions above which one frame is enough.
_MANY = 256
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


def random_directions(n, d, *, kind="iid", rng=None):
    """
    Draw unit vectors, each uniformly distributed on the sphere.

    For means over the sphere of functions that are even, as projections are: a direction and its opposite
    count as the same. O(n d) for "iid", O(n d min(n, d)) for orthonormal ones.

    Parameters
    ----------
    n : int
        Number of directions, at least 1.
    d : int
        Dimension, at least 1.
    kind : str, default="iid"
        "iid" draws independent directions, "orthogonal" blocks of d orthonormal ones, "qmc" an evenly spaced
        set under a random rotation: equal angles for d = 2, a Fibonacci spiral for d = 3, and orthonormal
        blocks above.
    rng : None, int or numpy.random.Generator, default=None
        Source of the randomness.

    Returns
    -------
    ndarray of shape (n, d)
        Unit vectors as rows.

    Raises
    ------
    ValueError
        If ``n`` or ``d`` is below 1, or ``kind`` is unknown.
    TypeError
        If ``n`` or ``d`` is not an integer.

    See Also
    --------
    sliced_wasserstein : What they are for.

    Notes
    -----
    Any d orthonormal directions average every quadratic form exactly, ``mean (theta' S theta) = tr(S) / d``,
    and n >= 3 equal angles do so too.

    References
    ----------
    .. [1] K. Nguyen, N. Bariletto and N. Ho, "Quasi-Monte Carlo for 3D Sliced Wasserstein", ICLR 2024,
       arXiv:2309.11713.
    .. [2] M. Rowland, J. Hron, Y. Tang, K. Choromanski, T. Sarlos and A. Weller, "Orthogonal Estimation of
       Wasserstein Distances", AISTATS 2019, arXiv:1903.03784.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.transport import random_directions
    >>> theta = random_directions(6, 3, kind="orthogonal", rng=0)
    >>> np.allclose(theta.T @ theta / 6, np.eye(3) / 3)
    True
    """
    n, d = check_integer("n", n, 1), check_integer("d", d, 1)
    check_option("kind", kind, KINDS)
    return draw(n, d, kind, as_rng(rng, "rng"))


def draw(n, d, kind, rng):
    """Draw ``n`` directions of a kind."""
    if d == 1:
        return np.ones((n, 1))
    if kind == "iid":
        theta = rng.standard_normal((n, d))
        return theta / np.linalg.norm(theta, axis=1, keepdims=True)
    if kind == "qmc" and d == 2:
        angles = math.pi * (np.arange(n) / n + rng.random())
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)
    if kind == "qmc" and d == 3:
        return _fibonacci(n) @ rotations(1, 3, rng)[0]
    frames = rotations(-(-n // d), d, rng, columns=min(n, d))
    return frames.reshape(-1, d)[:n]


def rotations(count, d, rng, columns=None):
    """Return independent orthonormal frames, uniformly distributed, as the rows of (count, columns, d)."""
    Q, R = np.linalg.qr(rng.standard_normal((count, d, d if columns is None else columns)))
    # Without the signs the factorisation's own convention would show, and Q would not be uniform.
    signs = np.where(np.diagonal(R, axis1=1, axis2=2) < 0.0, -1.0, 1.0)
    return np.swapaxes(Q * signs[:, None, :], 1, 2)


def _fibonacci(n):
    """Return points of a Fibonacci spiral on the upper half of the sphere."""
    height = (np.arange(n) + 0.5) / n
    angle = 2.0 * math.pi * _GOLDEN * np.arange(n)
    radius = np.sqrt(1.0 - height * height)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)


def randomised(n, d, kind, rng):
    """
    Draw directions in independent groups.

    Parameters
    ----------
    n : int
        Directions in all.
    d : int
        Dimension.
    kind : str
        A kind of `random_directions`.
    rng : numpy.random.Generator
        Source of the randomness.

    Returns
    -------
    ndarray of shape (n, d)
        The directions.
    ndarray of shape (groups,)
        Where each group begins.
    """
    if d == 1:
        return np.ones((1, 1)), np.zeros(1, dtype=int)
    if kind == "iid" or n < 2 * RANDOMISATIONS:
        return draw(n, d, "iid" if n < 2 * RANDOMISATIONS else kind, rng), np.arange(n)
    if kind == "qmc" and d <= 3:
        starts = n * np.arange(RANDOMISATIONS) // RANDOMISATIONS
    else:
        starts = np.arange(0, n, min(d, n // RANDOMISATIONS))
    sizes = np.diff(starts, append=n)
    return np.concatenate([draw(size, d, kind, rng) for size in sizes]), starts


@functools.lru_cache(maxsize=8)
def _reference_frames(d, count):
    """Return a fixed set of orthonormal frames, (count, d, d); a random rotation makes each uniform."""
    rng = np.random.default_rng(d)
    if d != 3:
        return rotations(count, d, rng)
    # Evenly spaced axes, each completed to a frame whose turn about the axis is evenly spaced as well.
    axes = _fibonacci(count)
    turn = math.pi * (np.arange(count) * math.sqrt(2.0) % 1.0)
    x, y, z = axes.T
    # The rotation of the pole to the axis, without a singularity on the upper half.
    first = np.stack([1.0 - x * x / (1.0 + z), -x * y / (1.0 + z), -x], axis=1)
    second = np.stack([-x * y / (1.0 + z), 1.0 - y * y / (1.0 + z), -y], axis=1)
    cos, sin = np.cos(turn)[:, None], np.sin(turn)[:, None]
    return np.stack([axes, cos * first + sin * second, cos * second - sin * first], axis=1)


def control_directions(d, n, rng):
    """
    Return the directions that give the mean of a control variate, in groups of complete frames.

    They cost no projection of points. Complete frames average quadratic forms exactly, as the identities of
    the Gaussian control variate need. For d from 4 to 256 one rotation turns a fixed set of frames: the
    groups are uniform, but not independent given that set.

    Parameters
    ----------
    d : int
        Dimension, at least 2.
    n : int
        Directions that clouds are projected on: the more, the closer the mean has to be.
    rng : numpy.random.Generator
        Source of the rotations.

    Returns
    -------
    ndarray of shape (groups, directions, d)
        Unit vectors. The groups are independent of each other for d of 2 and 3.
    """
    scale = max(1, n // 100)
    if d == 2:
        return np.stack([draw(500, 2, "qmc", rng) for _ in range(RANDOMISATIONS)])
    if d == 3:
        frames = _reference_frames(3, 168 * min(scale, 100)).reshape(-1, 3)
        return frames @ rotations(RANDOMISATIONS, 3, rng)
    # A few thousand directions in few dimensions, a few complete frames in many, where directions are much
    # alike and each costs as much as projecting many points; one above that.
    if d > _MANY:
        return rotations(1, d, rng)
    count = 2_000 // d if d <= 16 else RANDOMISATIONS
    count = max(count, min(scale * count, _REFERENCE_ELEMENTS // d**2))
    return _reference_frames(d, count) @ rotations(1, d, rng)[0]
