import sys
import types

import pytest

from spectralkit._core import cuda


class FakeModule:
    built = 0

    def __init__(self, code, **options):
        self.code, self.options = code, options
        FakeModule.built += 1


@pytest.fixture
def cupy(monkeypatch):
    """A module that looks like CuPy with two devices."""
    module = types.ModuleType("cupy")
    module.device = 0
    module.is_available = lambda: True
    module.RawModule = FakeModule
    module.cuda = types.SimpleNamespace(runtime=types.SimpleNamespace(getDevice=lambda: module.device))
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setattr(FakeModule, "built", 0)
    cuda._compiled.cache_clear()
    yield module
    cuda._compiled.cache_clear()


@pytest.fixture
def source(tmp_path):
    (tmp_path / "_method_cuda.cu").write_text("__global__ void scale() {} // Aᵀ", encoding="utf-8")
    return str(tmp_path / "_method.py")


def test_once_per_device(cupy, source):
    first = cuda.load_cuda(source, "_method_cuda.cu", options=("-std=c++17",))
    assert first.code.startswith("__global__ void scale")
    assert first.options == {"options": ("-std=c++17",)}
    assert cuda.load_cuda(source, "_method_cuda.cu", options=("-std=c++17",)) is first
    cupy.device = 1
    assert cuda.load_cuda(source, "_method_cuda.cu", options=("-std=c++17",)) is not first
    assert FakeModule.built == 2


def test_no_device(cupy, source):
    cupy.is_available = lambda: False
    with pytest.raises(RuntimeError, match=r"_method_cuda\.cu needs a CUDA device"):
        cuda.load_cuda(source, "_method_cuda.cu")


def test_no_cupy(monkeypatch, source):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(ImportError):
        cuda.load_cuda(source, "_method_cuda.cu")
