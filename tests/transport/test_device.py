"""The generic path on a CUDA device against the compiled path on the host."""

import numpy as np
import pytest

from spectralkit.transport import sinkhorn, sliced_wasserstein, sliced_wasserstein_gradient, wasserstein_1d

pytestmark = pytest.mark.gpu


@pytest.fixture
def cupy():
    cupy = pytest.importorskip("cupy")
    if not cupy.is_available():
        pytest.skip("no CUDA device")
    return cupy


@pytest.mark.parametrize("method", ["newton", "sinkhorn", "sns"])
def test_sinkhorn(cupy, method):
    C = np.random.default_rng(0).random((60, 80))
    a = np.full(60, 1 / 59)
    a[3] = 0.0
    host = sinkhorn(a, None, C, 0.02, method=method)
    device = sinkhorn(cupy.asarray(a), None, cupy.asarray(C), 0.02, method=method)
    assert isinstance(device.plan, cupy.ndarray)
    np.testing.assert_allclose(device.plan.get(), host.plan, atol=1e-9)
    assert device.value == pytest.approx(host.value, abs=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_sliced(cupy, weighted):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((50, 3)), rng.random((70, 3))
    weights = (rng.dirichlet(np.ones(50)), rng.dirichlet(np.ones(70))) if weighted else (None, None)
    on_device = [None if w is None else cupy.asarray(w) for w in weights]
    host = sliced_wasserstein(X, Y, *weights, rng=0)
    device = sliced_wasserstein(cupy.asarray(X), cupy.asarray(Y), *on_device, rng=0)
    assert device.power == pytest.approx(host.power, rel=1e-10)
    _, expected = sliced_wasserstein_gradient(X, Y, *weights, rng=0)
    _, found = sliced_wasserstein_gradient(cupy.asarray(X), cupy.asarray(Y), *on_device, rng=0)
    np.testing.assert_allclose(found.get(), expected, atol=1e-10)


def test_line(cupy):
    x, y = np.random.default_rng(0).standard_normal((2, 4, 30))
    found = wasserstein_1d(cupy.asarray(x), cupy.asarray(y), p=3)
    np.testing.assert_allclose(found.get(), wasserstein_1d(x, y, p=3), rtol=1e-12)
