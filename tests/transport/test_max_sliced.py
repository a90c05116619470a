"""The farthest direction, and distributions of directions about one: planted answers, limits and bounds."""

import math

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

import spectralkit
from spectralkit.transport import (
    distributional_sliced_wasserstein,
    max_sliced_wasserstein,
    random_directions,
    sliced_wasserstein,
    wasserstein_1d,
)


def clouds(n, m, d, seed=0):
    rng = np.random.default_rng([seed, d])
    X, Y = rng.random((n, d)) ** 2, rng.standard_normal((m, d)) * np.linspace(0.3, 1.2, d) + 0.3
    a, b = rng.random(n) + 0.02, rng.random(m) + 0.02
    return X, Y, a / a.sum(), b / b.sum()


def power_along(theta, X, Y, a=None, b=None, p=2):
    return wasserstein_1d(X @ np.asarray(theta), Y @ np.asarray(theta), a, b, p=p)


# The largest distance.


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
@pytest.mark.parametrize("d", [2, 3, 10])
@pytest.mark.parametrize("weighted", [False, True])
def test_translation(d, p, weighted):
    X, _, a, _ = clouds(30, 1, d)
    a = a if weighted else None
    shift = np.random.default_rng(d).standard_normal(d)
    result = max_sliced_wasserstein(X + shift, X, a, a, p=p, rng=0)
    length = np.linalg.norm(shift)
    assert result.distance == pytest.approx(length, rel=1e-9)
    assert abs(result.direction @ shift) == pytest.approx(length, rel=1e-6)
    assert result.converged


def test_planted_direction():
    # Along one oblique direction a normal cloud is made bimodal of the same mean and variance: no moment up
    # to the second shows it.
    rng = np.random.default_rng(0)
    u = random_directions(1, 20, rng=5)[0]
    X, Y = rng.standard_normal((2, 2000, 20))
    along = 0.98 * rng.choice([-1.0, 1.0], 2000) + 0.2 * rng.standard_normal(2000)
    Y += np.outer(along - Y @ u, u)
    result = max_sliced_wasserstein(X, Y, rng=0, n_starts=10)
    assert result.power >= power_along(u, X, Y)
    assert abs(result.direction @ u) > 0.98


def test_planted_variance():
    # The moments point to it, so no search is needed.
    rng = np.random.default_rng(0)
    u = random_directions(1, 20, rng=5)[0]
    X = rng.standard_normal((2000, 20))
    result = max_sliced_wasserstein(X, X + np.outer(2 * (X @ u), u), rng=0, n_projections=1)
    assert abs(result.direction @ u) > 0.999


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("d", [2, 3, 6])
@pytest.mark.parametrize("weighted", [False, True])
def test_not_below_random_directions(d, p, weighted):
    X, Y, a, b = clouds(25, 20, d)
    a, b = (a, b) if weighted else (None, None)
    result = max_sliced_wasserstein(X, Y, a, b, p=p, rng=0)
    theta = random_directions(20_000, d, rng=1)
    values = wasserstein_1d(theta @ X.T, theta @ Y.T, a, b, p=p)
    assert result.power >= values.max() * (1 - 1e-9)
    # It is the value along the direction, which is a unit vector with its largest component positive.
    assert result.power == pytest.approx(power_along(result.direction, X, Y, a, b, p), rel=1e-12)
    assert result.distance == pytest.approx(result.power ** (1 / p), rel=1e-14)
    assert np.linalg.norm(result.direction) == pytest.approx(1.0, rel=1e-14)
    assert result.direction[np.argmax(np.abs(result.direction))] > 0


def test_local_maximum():
    # Maxima lie on ridges where two orders of the points meet, along which an ascent slows down.
    X, Y, a, b = clouds(25, 20, 4)
    result = max_sliced_wasserstein(X, Y, a, b, rng=0)
    rng = np.random.default_rng(0)
    for size in (1e-1, 1e-2, 1e-3):
        for _ in range(50):
            near = result.direction + size * rng.standard_normal(4)
            assert power_along(near / np.linalg.norm(near), X, Y, a, b) <= result.power * (1 + 2e-5)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_one_dimension(p):
    X, Y, a, b = clouds(12, 9, 1)
    exact = wasserstein_1d(X[:, 0], Y[:, 0], a, b, p=p)
    result = max_sliced_wasserstein(X, Y, a, b, p=p)
    assert result.power == pytest.approx(exact, rel=1e-13)
    assert result.converged
    np.testing.assert_array_equal(result.direction, [1.0])
    for concentration in (0.0, 5.0):
        result = distributional_sliced_wasserstein(X, Y, a, b, p=p, concentration=concentration)
        assert result.power == pytest.approx(exact, rel=1e-13)
        assert (result.standard_error, result.n_projections) == (0.0, 1)


def test_clouds_that_do_not_differ():
    X, *_ = clouds(12, 1, 3)
    for cloud in (X, X[:1], np.ones((5, 3))):
        result = max_sliced_wasserstein(cloud, cloud, rng=0)
        assert (result.distance, result.power, result.converged) == (0.0, 0.0, True)
        assert np.linalg.norm(result.direction) == pytest.approx(1.0)
        found = distributional_sliced_wasserstein(cloud, cloud, concentration=2.0, rng=0)
        assert (found.distance, found.standard_error) == (0.0, 0.0)


def test_single_points():
    result = max_sliced_wasserstein([[0.0, 0.0, 0.0]], [[2.0, -3.0, 6.0]], rng=0)
    assert result.distance == pytest.approx(7.0, rel=1e-9)
    np.testing.assert_allclose(result.direction, np.array([2.0, -3.0, 6.0]) / 7, atol=1e-5)


def test_symmetries():
    X, Y, a, b = clouds(25, 20, 4)
    reference = max_sliced_wasserstein(X, Y, a, b, rng=0)
    order = np.random.default_rng(0).permutation(25)
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((4, 4)))[0]
    for found in (
        max_sliced_wasserstein(Y, X, b, a, rng=0),
        max_sliced_wasserstein(X[order], Y, a[order], b, rng=0),
        max_sliced_wasserstein(X + 3, Y + 3, a, b, rng=0),
        max_sliced_wasserstein(X @ turn, Y @ turn, a, b, rng=0),
    ):
        assert found.distance == pytest.approx(reference.distance, rel=1e-5)
    again = max_sliced_wasserstein(X, Y, a, b, rng=0)
    assert again.power == reference.power
    np.testing.assert_array_equal(again.direction, reference.direction)


@pytest.mark.parametrize("scale", [1e150, 1e-150, 1e100, 1e-100])
@pytest.mark.parametrize("p", [1, 2, 3])
def test_scale(scale, p):
    X, Y, *_ = clouds(12, 9, 3)
    reference = max_sliced_wasserstein(X, Y, p=p, rng=0)
    result = max_sliced_wasserstein(X * scale, Y * scale, p=p, rng=0)
    assert result.distance == pytest.approx(reference.distance * scale, rel=1e-9)
    np.testing.assert_allclose(result.direction, reference.direction, atol=1e-6)
    reference = distributional_sliced_wasserstein(X, Y, p=p, concentration=3.0, rng=0)
    result = distributional_sliced_wasserstein(X * scale, Y * scale, p=p, concentration=3.0, rng=0)
    assert result.distance == pytest.approx(reference.distance * scale, rel=1e-9)
    np.testing.assert_allclose(result.location, reference.location, atol=1e-6)


@pytest.mark.parametrize("function", ["max", "distributional"])
def test_callback(function):
    X, Y, *_ = clouds(25, 20, 6)

    def run(callback):
        if function == "max":
            return max_sliced_wasserstein(X, Y, rng=0, callback=callback)
        return distributional_sliced_wasserstein(X, Y, rng=0, concentration=5.0, callback=callback)

    seen = []
    whole = run(seen.append)  # None is no reason to stop
    assert [info.iteration for info in seen] == list(range(1, whole.n_iter + 1))
    assert max(info.figure for info in seen) == pytest.approx(whole.power, rel=1e-12)
    assert whole.n_iter > 3
    stopped = run(lambda info: info.iteration == 2)
    assert (stopped.n_iter, stopped.converged) == (2, False)
    assert "callback" in stopped.status
    assert stopped.power <= whole.power


@pytest.mark.parametrize("function", ["max", "distributional"])
def test_too_few_steps(function):
    X, Y, *_ = clouds(25, 20, 6)
    run = max_sliced_wasserstein if function == "max" else distributional_sliced_wasserstein
    options = {} if function == "max" else {"concentration": 5.0}
    with pytest.warns(ConvergenceWarning, match=r"tolerance 1e-12\. Raise max_iter"):
        result = run(X, Y, rng=0, max_iter=1, tol=1e-12, **options)
    assert not result.converged
    assert "max_iter=1" in result.status


def test_single_precision_and_layouts():
    X, Y, *_ = clouds(25, 20, 4)
    X, Y = X.astype(np.float32), Y.astype(np.float32)
    reference = max_sliced_wasserstein(X.astype(float), Y.astype(float), rng=0)
    assert max_sliced_wasserstein(X, Y, rng=0).power == reference.power
    found = max_sliced_wasserstein(np.asfortranarray(X), np.repeat(Y, 2, axis=0)[::2], rng=0)
    assert found.power == pytest.approx(reference.power, rel=1e-9)


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
@pytest.mark.parametrize("weighted", [False, True])
def test_generic_path(library, weighted):
    xp = pytest.importorskip(library)
    X, Y, a, b = clouds(12, 9, 4)
    arrays = (X, Y, a, b) if weighted else (X, Y)
    for p in (1.5, 2):
        result = max_sliced_wasserstein(*map(xp.asarray, arrays), p=p, rng=0)
        host = max_sliced_wasserstein(*arrays, p=p, rng=0)
        assert type(result.direction) is type(xp.asarray(X))
        assert result.power == pytest.approx(host.power, rel=1e-7)
        np.testing.assert_allclose(np.from_dlpack(result.direction), host.direction, atol=1e-4)
        options = {"p": p, "rng": 0, "concentration": 2.0}
        result = distributional_sliced_wasserstein(*map(xp.asarray, arrays), **options)
        host = distributional_sliced_wasserstein(*arrays, **options)
        assert type(result.location) is type(xp.asarray(X))
        assert result.power == pytest.approx(host.power, rel=1e-9)
        np.testing.assert_allclose(np.from_dlpack(result.location), host.location, atol=1e-5)


def test_threads():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((20_000, 3)), rng.random((15_000, 3))
    found = []
    for n in (1, 2):
        with spectralkit.threads(n), threadpool_limits(1, user_api="blas"):
            found.append(max_sliced_wasserstein(X, Y, rng=0, n_starts=1, max_iter=5, tol=1.0))
    assert found[0].power == found[1].power
    np.testing.assert_array_equal(found[0].direction, found[1].direction)


# Distributions of directions.


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("d", [2, 3, 7])
def test_no_concentration_is_the_plain_mean(d, p):
    X, Y, a, b = clouds(12, 9, d)
    found = distributional_sliced_wasserstein(X, Y, a, b, p=p, concentration=0.0, rng=3)
    theta = random_directions(1000, d, kind="qmc", rng=3)
    values = wasserstein_1d(theta @ X.T, theta @ Y.T, a, b, p=p)
    assert found.power == pytest.approx(values.mean(), rel=1e-12)
    assert found.effective_sample_size == pytest.approx(1000, rel=1e-12)
    assert found.standard_error == pytest.approx(values.std() / math.sqrt(1000), rel=1e-9)
    result = sliced_wasserstein(X, Y, a, b, p=p, rng=0)
    assert found.power == pytest.approx(result.power, abs=4 * found.standard_error)
    assert found.distance == pytest.approx(found.power ** (1 / p), rel=1e-14)


@pytest.mark.parametrize("concentration", [0.5, 3.0, 20.0])
def test_mean_under_the_distribution(concentration):
    # In the plane a fine rule of angles integrates it.
    X, Y, a, b = clouds(12, 9, 2)
    result = distributional_sliced_wasserstein(
        X, Y, a, b, concentration=concentration, n_projections=4000, rng=0
    )
    angles = 2 * math.pi * np.arange(2000) / 2000
    theta = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    values = wasserstein_1d(theta @ X.T, theta @ Y.T, a, b)
    density = np.exp(concentration * (theta @ theta.T - 1))
    means = density @ values / density.sum(axis=1)
    assert result.power == pytest.approx(means.max(), rel=1e-3)
    assert abs(result.location @ theta[np.argmax(means)]) > 0.999


def test_between_the_mean_and_the_largest():
    X, Y, a, b = clouds(12, 9, 2)
    largest = max_sliced_wasserstein(X, Y, a, b, rng=0)
    mean = sliced_wasserstein(X, Y, a, b, rng=0).power
    options = {"n_projections": 5000, "rng": 0}
    grid = [0.0, 0.5, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0, 1e4]
    results = [distributional_sliced_wasserstein(X, Y, a, b, concentration=k, **options) for k in grid]
    powers = np.array([result.power for result in results])
    assert (np.diff(powers) > 0).all()
    assert powers[0] == pytest.approx(mean, rel=1e-3)
    assert powers[-1] == pytest.approx(largest.power, rel=1e-3)
    assert powers[-1] <= largest.power
    assert abs(results[-1].location @ largest.direction) > 0.999
    assert (np.diff([result.effective_sample_size for result in results]) < 0).all()


def test_location_of_a_translation():
    X, *_ = clouds(30, 1, 3)
    shift = np.array([1.0, -2.0, 2.0])
    result = distributional_sliced_wasserstein(X + shift, X, concentration=20.0, n_projections=4000, rng=0)
    assert abs(result.location @ shift) > 0.999 * 3
    assert np.linalg.norm(result.location) == pytest.approx(1.0, rel=1e-13)
    # E (theta' e)^2 of a von Mises-Fisher distribution in space, times the squared length.
    k = 20.0
    exact = 9 * (1 - 2 * (1 / math.tanh(k) - 1 / k) / k)
    assert result.power == pytest.approx(exact, rel=1e-2)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_dtype_of_vectors(library, dtype):
    xp = pytest.importorskip(library)
    X, Y, *_ = clouds(12, 9, 3)
    X, Y = (xp.asarray(cloud.astype(dtype)) for cloud in (X, Y))
    assert max_sliced_wasserstein(X, Y, rng=0).direction.dtype == getattr(xp, dtype)
    result = distributional_sliced_wasserstein(X, Y, concentration=2.0, rng=0)
    assert result.location.dtype == getattr(xp, dtype)


def test_standard_error_of_one_effective_direction():
    X, Y, *_ = clouds(12, 9, 10)
    options = {"n_projections": 200, "rng": 0}
    with pytest.warns(UserWarning, match="directions"):
        result = distributional_sliced_wasserstein(X, Y, concentration=1e5, **options)
    assert result.effective_sample_size < 2
    assert result.standard_error == math.inf
    result = distributional_sliced_wasserstein(X[:, :1], Y[:, :1], concentration=1e5, **options)
    assert result.standard_error == 0.0


def test_few_effective_directions():
    X, Y, *_ = clouds(12, 9, 10)
    with pytest.warns(UserWarning, match=r"only \d\.\d of 200 directions .* in 10 dimensions"):
        result = distributional_sliced_wasserstein(X, Y, concentration=500.0, n_projections=200, rng=0)
    assert 1 <= result.effective_sample_size < 10
    result = distributional_sliced_wasserstein(X, Y, concentration=1.0, n_projections=200, rng=0)
    assert result.effective_sample_size > 10


def test_huge_concentration():
    X, Y, *_ = clouds(12, 9, 2)
    with pytest.warns(UserWarning, match="directions"):
        result = distributional_sliced_wasserstein(X, Y, concentration=1e12, rng=0)
    assert np.isfinite(result.power)
    assert result.power == pytest.approx(max_sliced_wasserstein(X, Y, rng=0).power, rel=1e-3)
