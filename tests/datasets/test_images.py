import sys

import numpy as np
import pytest

from spectralkit.datasets import image_patches


def test_sample():
    X = image_patches(8, n_samples=500, rng=0)
    assert X.shape == (500, 64)
    assert X.dtype == np.float32
    assert X.min() >= 0
    assert X.max() <= 1
    assert X.std() > 0.1
    np.testing.assert_array_equal(X, image_patches(8, n_samples=500, rng=0))
    assert (image_patches(8, n_samples=500, rng=1) != X).any()


def test_patches_are_smooth():
    """Neighbouring pixels of photographs are alike: rows are patches, not shuffled pixels."""
    X = image_patches(4, n_samples=2000, rng=0).reshape(-1, 4, 4)
    neighbours = np.corrcoef(X[:, 1, 1], X[:, 1, 2])[0, 1]
    assert neighbours > 0.9
    assert np.corrcoef(X[:, 1, 1], X[:, 2, 1])[0, 1] > 0.9


def test_all():
    X = image_patches(4)
    assert X.shape == (2 * (427 - 3) * (640 - 3), 16)
    np.testing.assert_array_equal(X[0].reshape(4, 4)[:, 1:], X[1].reshape(4, 4)[:, :-1])


def test_largest():
    assert image_patches(427, n_samples=3, rng=0).shape == (3, 427**2)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"size": 0}, "size"),
        ({"size": 428}, "size"),
        ({"n_samples": 0}, "n_samples"),
        ({"n_samples": 10**7}, "n_samples"),
    ],
)
def test_wrong(arguments, name):
    with pytest.raises(ValueError, match=f"^{name} must be"):
        image_patches(**arguments)


def test_without_pillow(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match="pip install pillow"):
        image_patches()
