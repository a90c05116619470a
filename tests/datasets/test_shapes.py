"""Rotated shapes: what they are made of."""

import numpy as np
import pytest

from spectralkit.datasets import make_rotated_shapes
from spectralkit.equivariant import SphericalInvariants

NAMES = ["cone", "cube", "cylinder", "helix", "octahedron", "sphere", "tetrahedron", "torus"]


def shape(name, **options):
    """Return the points of many clouds of one shape, as they lie, without noise."""
    clouds, labels = make_rotated_shapes(80, noise=0.0, rotate=False, **options)
    return [cloud for cloud, label in zip(clouds, labels, strict=True) if label == name]


def test_shapes():
    clouds, labels = make_rotated_shapes(83, n_points=20, rng=0)
    assert len(clouds) == 83
    assert all(cloud.shape == (20, 3) and cloud.dtype == np.float64 for cloud in clouds)
    names, counts = np.unique(labels, return_counts=True)
    assert names.tolist() == NAMES
    assert set(counts) == {10, 11}
    assert labels[:8].tolist() != sorted(labels[:8])


def test_unequal_numbers_of_points():
    clouds, _ = make_rotated_shapes(200, n_points=(5, 9), rng=0)
    assert {len(cloud) for cloud in clouds} == {5, 6, 7, 8, 9}


@pytest.mark.parametrize("n_points", [4, 50, (4, 30)])
def test_place_and_size(n_points):
    clouds, _ = make_rotated_shapes(16, n_points=n_points, noise=0.0, rng=1)
    for cloud in clouds:
        np.testing.assert_allclose(cloud.mean(axis=0), 0.0, atol=1e-14)
        assert np.mean(np.sum(cloud**2, axis=1)) == pytest.approx(1.0, rel=1e-14)


def test_noise():
    calm, noisy = (make_rotated_shapes(16, n_points=1000, noise=noise, rng=2)[0] for noise in (0.0, 0.1))
    for first, second in zip(calm, noisy, strict=True):
        assert np.std(second - first) == pytest.approx(0.1, rel=0.1)


def test_rotations():
    lying, names = make_rotated_shapes(200, n_points=30, rotate=False, rng=3)
    turned, labels = make_rotated_shapes(200, n_points=30, rng=3)
    np.testing.assert_array_equal(names, labels)
    rotations = []
    for first, second in zip(lying, turned, strict=True):
        R = np.linalg.lstsq(first, second, rcond=None)[0].T
        np.testing.assert_allclose(R.T @ R, np.eye(3), atol=1e-12)
        assert np.linalg.det(R) == pytest.approx(1.0)
        np.testing.assert_allclose(first @ R.T, second, atol=1e-12)
        rotations.append(R)
    # Uniform among all: each entry has mean 0 and variance 1/3.
    rotations = np.array(rotations)
    assert np.abs(rotations.mean(axis=0)).max() < 4.5 * np.sqrt(1 / 3 / 200)
    assert np.abs((rotations**2).mean(axis=0) - 1 / 3).max() < 4.5 * np.sqrt(4 / 45 / 200)


def test_points_are_on_their_shapes():
    # Centre and scale are those of a sample: with many points nearly those of the shape.
    options = {"n_points": 20_000, "rng": 4}
    for cloud in shape("sphere", **options)[:2]:
        np.testing.assert_allclose(np.linalg.norm(cloud, axis=1), 1.0, atol=0.02)
    for cloud in shape("cube", **options)[:2]:
        np.testing.assert_allclose(np.abs(cloud).max(axis=1), np.sqrt(3 / 5), atol=0.02)
    for cloud in shape("octahedron", **options)[:2]:
        np.testing.assert_allclose(np.abs(cloud).sum(axis=1), np.sqrt(2), atol=0.04)
    for cloud in shape("torus", **options)[:2]:
        across = np.hypot(cloud[:, 0], cloud[:, 1])
        # E[(R + r cos)²] + E[(r sin)²] with the density (R + r cos θ) / 2π R.
        scale = np.sqrt(1 + 0.4**2 / 2 + 0.4**2 + 0.4**2 / 2)
        np.testing.assert_allclose(np.hypot(scale * across - 1, scale * cloud[:, 2]), 0.4, atol=0.04)


@pytest.mark.parametrize(("name", "ratio"), [("cylinder", (5 / 12) / (5 / 9)), ("tetrahedron", 1)])
def test_points_are_uniform(name, ratio):
    """Second moments across and along the axis, as the areas have them."""
    cloud = np.concatenate(shape(name, n_points=20_000, rng=5))
    across, along = np.mean(cloud[:, 0] ** 2), np.mean(cloud[:, 2] ** 2)
    assert across / along == pytest.approx(ratio, rel=0.02)


def test_cone_is_uniform():
    cloud = np.concatenate(shape("cone", n_points=20_000, rng=6))
    low = cloud[:, 2].min()
    base = np.mean(cloud[:, 2] < low + 0.02)
    assert base == pytest.approx(1 / (1 + np.sqrt(5)), abs=0.02)


def test_seeds():
    first, labels = make_rotated_shapes(12, n_points=(5, 20), rng=7)
    second, again = make_rotated_shapes(12, n_points=(5, 20), rng=7)
    np.testing.assert_array_equal(labels, again)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(make_rotated_shapes(12, rng=8)[0][0], make_rotated_shapes(12, rng=9)[0][0])
    rng = np.random.default_rng(0)
    assert not np.array_equal(make_rotated_shapes(2, rng=rng)[0][0], make_rotated_shapes(2, rng=rng)[0][0])


def test_invariants_do_not_change():
    lying, _ = make_rotated_shapes(24, rotate=False, rng=10)
    turned, _ = make_rotated_shapes(24, rng=10)
    invariants = SphericalInvariants(r_max=2.0).fit(lying)
    before, after = invariants.transform(lying), invariants.transform(turned)
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-12 * np.abs(before).max())


@pytest.mark.parametrize(
    ("options", "name", "error"),
    [
        ({"n_samples": 0}, "n_samples", ValueError),
        ({"n_samples": 2.0}, "n_samples", TypeError),
        ({"n_points": 3}, "n_points", ValueError),
        ({"n_points": (10, 5)}, "n_points", ValueError),
        ({"n_points": (10,)}, "n_points", ValueError),
        ({"noise": -1.0}, "noise", ValueError),
        ({"rotate": 1}, "rotate", TypeError),
    ],
)
def test_wrong(options, name, error):
    with pytest.raises(error, match=f"^{name} must be"):
        make_rotated_shapes(**options)
