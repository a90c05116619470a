"""Point clouds of shapes, turned at random."""

import math

import numpy as np

from spectralkit._core.checks import check_flag, check_integer, check_number, invalid
from spectralkit._core.random import as_entropy, block_rng


def make_rotated_shapes(n_samples=400, *, n_points=200, noise=0.02, rotate=True, rng=None):
    """
    Generate point clouds of eight solids and curves, each turned at random.

    Points are uniform on the surface of a sphere, a cube, a tetrahedron, an octahedron, a cylinder, a
    cone or a torus, or on a helix. Each cloud is centred and scaled to a root mean square radius of 1, so
    that neither place nor size tells shapes apart; then come noise and a rotation. Cost
    `O(n_samples n_points)`.

    Parameters
    ----------
    n_samples : int, default=400
        Number of clouds; the shapes are as equally frequent as that allows.
    n_points : int or tuple of two ints, default=200
        Points of each cloud, at least 4; of a pair, the smallest and the largest number, between which
        each cloud has one at random.
    noise : float, default=0.02
        Standard deviation of Gaussian noise in each coordinate.
    rotate : bool, default=True
        Whether each cloud is turned by a rotation that is uniform among all; otherwise axes stay along
        the third coordinate, and edges of the cube along all three.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness.

    Returns
    -------
    clouds : list of arrays of shape (n_points, 3)
        The clouds, in random order.
    labels : array of shape (n_samples,)
        Their shapes, as strings.

    Raises
    ------
    ValueError
        If a number is out of range.
    TypeError
        If a number is of the wrong kind.

    See Also
    --------
    spectralkit.equivariant.SphericalInvariants : Features that no rotation changes.

    Notes
    -----
    Each cloud has its own stream of random numbers: with one seed the clouds of ``rotate=False`` are those of
    ``rotate=True`` before they are turned.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.datasets import make_rotated_shapes
    >>> clouds, labels = make_rotated_shapes(16, n_points=(50, 100), noise=0.0, rng=0)
    >>> clouds[0].shape[1], sorted(set(labels.tolist()))[:3]
    (3, ['cone', 'cube', 'cylinder'])
    >>> bool(np.isclose(np.mean(np.sum(clouds[0] ** 2, axis=1)), 1.0))
    True
    """
    n_samples = check_integer("n_samples", n_samples, 1)
    low, high = _as_range(n_points)
    noise = check_number("noise", noise, 0.0)
    rotate = check_flag("rotate", rotate)
    entropy = as_entropy(rng)
    names = np.array(sorted(_SHAPES))
    labels = block_rng(entropy, 0).permutation(np.resize(names, n_samples))
    clouds = []
    for index, label in enumerate(labels):
        rng = block_rng(entropy, 1, index)
        R = _rotation(rng)
        points = _SHAPES[str(label)](int(rng.integers(low, high + 1)), rng)
        points = points - points.mean(axis=0)
        points /= math.sqrt(np.mean(np.sum(points**2, axis=1)))
        points += noise * rng.standard_normal(points.shape)
        clouds.append(points @ R.T if rotate else points)
    return clouds, labels


def _as_range(n_points):
    if not isinstance(n_points, (tuple, list)):
        return (check_integer("n_points", n_points, 4),) * 2
    if len(n_points) != 2:
        raise ValueError(invalid("n_points", "an integer or a pair of them", f"{len(n_points)} of them"))
    low = check_integer("n_points", n_points[0], 4)
    return low, check_integer("n_points", n_points[1], low)


def _rotation(rng):
    """Return a rotation, uniform among all."""
    Q, R = np.linalg.qr(rng.standard_normal((3, 3)))
    Q = Q * np.sign(np.diagonal(R))
    return Q * np.linalg.det(Q)


def _sphere(n, rng):
    points = rng.standard_normal((n, 3))
    return points / np.linalg.norm(points, axis=1)[:, None]


def _cube(n, rng):
    points = rng.uniform(-1.0, 1.0, (n, 3))
    points[np.arange(n), rng.integers(3, size=n)] = rng.choice([-1.0, 1.0], size=n)
    return points


def _in_triangles(triangles, rng):
    """Return a point of each triangle, given as (n, corner, coordinate)."""
    shares = rng.dirichlet([1.0, 1.0, 1.0], len(triangles))
    return np.sum(shares[:, :, None] * triangles, axis=1)


def _tetrahedron(n, rng):
    corners = np.array([[1.0, 1.0, 1.0], [-1.0, -1.0, 1.0], [-1.0, 1.0, -1.0], [1.0, -1.0, -1.0]])
    faces = np.array([np.delete(corners, corner, axis=0) for corner in range(4)])
    return _in_triangles(faces[rng.integers(4, size=n)], rng)


def _octahedron(n, rng):
    return _in_triangles(rng.choice([-1.0, 1.0], size=(n, 3, 1)) * np.eye(3), rng)


def _disc(n, rng):
    angle = rng.uniform(0.0, 2.0 * math.pi, n)
    return np.sqrt(rng.random(n)), angle


def _cylinder(n, rng):
    radius, angle = _disc(n, rng)
    z = rng.uniform(-1.0, 1.0, n)
    # Of the area two thirds are the side, the rest are the caps.
    cap = rng.random(n) < 1.0 / 3.0
    radius, z = np.where(cap, radius, 1.0), np.where(cap, np.sign(z), z)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)


def _cone(n, rng):
    radius, angle = _disc(n, rng)
    # Radius 1 and height 2; the side is a sector, whose points are as dense in radius as those of a disc.
    z = np.where(rng.random(n) < 1.0 / (1.0 + math.sqrt(5.0)), 0.0, 2.0 * (1.0 - radius))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)


def _torus(n, rng):
    thickness = 0.4
    phi, theta = rng.uniform(0.0, 2.0 * math.pi, (2, n))
    # The area grows with the distance from the axis: what is too much inside goes outside.
    inside = rng.random(n) > 0.5 * (1.0 + thickness * np.cos(theta))
    theta = np.where(inside, math.pi - theta, theta)
    across = 1.0 + thickness * np.cos(theta)
    return np.stack([across * np.cos(phi), across * np.sin(phi), thickness * np.sin(theta)], axis=1)


def _helix(n, rng):
    turn = rng.uniform(-1.0, 1.0, n)
    angle = 2.0 * math.pi * turn
    return np.stack([np.cos(angle), np.sin(angle), 1.5 * turn], axis=1)


_SHAPES = {
    "cone": _cone,
    "cube": _cube,
    "cylinder": _cylinder,
    "helix": _helix,
    "octahedron": _octahedron,
    "sphere": _sphere,
    "tetrahedron": _tetrahedron,
    "torus": _torus,
}
