import array_api_compat.numpy
import numpy as np
import pytest

from spectralkit._core.namespaces import array_namespace, from_host, is_numpy, library_name, to_host

LIBRARIES = ["numpy", "array_api_strict", "torch"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_one_library(library):
    xp = pytest.importorskip(library)
    found = array_namespace(X=xp.asarray([1.0]), y=None, Z=xp.asarray([2.0]))
    assert library_name(found) == library
    assert is_numpy(found) == (library == "numpy")


@pytest.mark.parametrize(
    "value", [None, 1.0, [1.0, 2.0], np.float32(1), np.ones(2), np.ma.masked_array([1.0])]
)
def test_numpy_is_the_default(value):
    assert array_namespace(X=value) is array_api_compat.numpy
    assert array_namespace(X=value, y=np.ones(3)) is array_api_compat.numpy


def test_no_array():
    assert is_numpy(array_namespace())


@pytest.mark.parametrize("first", LIBRARIES)
@pytest.mark.parametrize("second", LIBRARIES)
def test_mixed(first, second):
    if first == second:
        return
    a, b = (pytest.importorskip(library).asarray([1.0]) for library in (first, second))
    message = f"^X and y must be arrays of one library on one device; got X from {first}.*, y from {second}"
    with pytest.raises(TypeError, match=message):
        array_namespace(X=a, y=b)


def test_sequence_with_foreign_array():
    strict = pytest.importorskip("array_api_strict")
    with pytest.raises(TypeError, match=r"got X from array_api_strict on .*, y from numpy"):
        array_namespace(X=strict.asarray([1.0]), y=[1.0])


def test_mixed_devices():
    strict = pytest.importorskip("array_api_strict")
    one, other = (strict.asarray([1.0], device=strict.Device(name)) for name in ("CPU_DEVICE", "device1"))
    with pytest.raises(
        TypeError, match=r"one device; got X from array_api_strict on .*CPU.*, y from .*device1"
    ):
        array_namespace(X=one, y=other)


@pytest.mark.parametrize("library", LIBRARIES)
def test_host_and_back(library):
    xp = pytest.importorskip(library)
    X = xp.asarray([[1.0, 2.0], [3.0, 4.0]])
    host = to_host(X)
    assert type(host) is np.ndarray
    np.testing.assert_array_equal(host, [[1.0, 2.0], [3.0, 4.0]])
    assert type(from_host(host, array_namespace(X=X), like=X)) is type(X)


def test_torch_leaves_the_graph():
    torch = pytest.importorskip("torch")
    np.testing.assert_array_equal(to_host(torch.ones(2, requires_grad=True)), [1.0, 1.0])


def test_from_host_keeps_the_device():
    strict = pytest.importorskip("array_api_strict")
    like = strict.asarray([1.0], device=strict.Device("device1"))
    assert from_host(np.ones(2), strict, like).device == like.device
