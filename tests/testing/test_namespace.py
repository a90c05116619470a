import builtins

import array_api_compat
import numpy as np
import pytest

from spectralkit.testing import assert_namespace_preserved, prescribed_matrix

X, Y = np.arange(6.0).reshape(3, 2), np.ones((3, 2))


def add(X, Y, *, factor=1.0):
    xp = array_api_compat.array_namespace(X, Y)
    return X + factor * xp.asarray(Y)


def test_passes():
    result = assert_namespace_preserved(add, X, Y, factor=2.0)
    np.testing.assert_array_equal(np.from_dlpack(result), X + 2)


def test_none_is_left_alone():
    assert assert_namespace_preserved(lambda X, a: (X, a), X, None)[1] is None


@pytest.mark.parametrize(
    "wrap",
    [
        lambda array: array,
        lambda array: (1.0, array),
        lambda array: {"plan": [array]},
        lambda array: prescribed_matrix(2).__class__(array, None, 1, 1.0, 1.0, "general", None),
    ],
)
def test_host_array_comes_back(wrap):
    with pytest.raises(AssertionError, match=r"^result.* is a numpy array; expected array_api_strict$"):
        assert_namespace_preserved(lambda X: wrap(np.from_dlpack(X)), X)


def test_mixed_is_accepted():
    with pytest.raises(
        AssertionError, match=r"^argument 0 as a NumPy array among .* did not raise TypeError$"
    ):
        assert_namespace_preserved(lambda X, Y: 1.0, X, Y)


def test_scalars_are_no_arrays():
    assert_namespace_preserved(lambda X: (1.0, np.float64(2.0), "x", 3, None), X)


def test_errors_pass():
    with pytest.raises(ZeroDivisionError):
        assert_namespace_preserved(lambda X: 1 / 0, X)


def test_without_strict(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name == "array_api_strict":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="pip install array-api-strict"):
        assert_namespace_preserved(add, X, Y)
