import numpy as np
import pytest

from spectralkit._core.dtypes import (
    dtype_name,
    eps,
    output_dtype_name,
    working_dtype_name,
)

# dtype given: dtype computed in, dtype returned.
TABLE = {
    "float32": ("float32", "float32"),
    "float64": ("float64", "float64"),
    "complex64": ("complex64", "complex64"),
    "complex128": ("complex128", "complex128"),
    "float16": ("float32", "float16"),
    "bool": ("float64", "float64"),
    "int8": ("float64", "float64"),
    "int32": ("float64", "float64"),
    "int64": ("float64", "float64"),
    "uint8": ("float64", "float64"),
    "uint64": ("float64", "float64"),
}


@pytest.mark.parametrize("given", TABLE)
def test_table(given):
    assert (working_dtype_name("X", np.dtype(given)), output_dtype_name("X", np.dtype(given))) == TABLE[given]


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
@pytest.mark.parametrize("given", ["float32", "float64", "complex64", "complex128", "int32", "bool"])
def test_table_in_other_libraries(library, given):
    xp = pytest.importorskip(library)
    dtype = getattr(xp, given)
    assert dtype_name(dtype) == given
    assert (working_dtype_name("X", dtype), output_dtype_name("X", dtype)) == TABLE[given]


def test_bfloat16():
    torch = pytest.importorskip("torch")
    assert working_dtype_name("X", torch.bfloat16) == "float32"
    assert output_dtype_name("X", torch.bfloat16) == "bfloat16"


@pytest.mark.parametrize("given", [object, "U3", "M8[s]", [("a", float)]])
def test_rejected(given):
    with pytest.raises(TypeError, match=r"^X must be of a real or complex floating, .*astype\(float64\)\.$"):
        working_dtype_name("X", np.dtype(given))


@pytest.mark.skipif(np.dtype(np.longdouble) == np.float64, reason="longdouble is float64 here")
@pytest.mark.parametrize("given", [np.longdouble, np.clongdouble])
def test_longdouble_is_rejected(given):
    for function in (working_dtype_name, output_dtype_name):
        with pytest.raises(TypeError, match=r"^X must be of a real or complex floating"):
            function("X", np.dtype(given))


def test_complex_where_real_is_meant():
    for given in ("complex64", "complex128"):
        with pytest.raises(TypeError, match=f"^X must be real; got dtype {given}"):
            working_dtype_name("X", np.dtype(given), allow_complex=False)
    assert working_dtype_name("X", np.dtype("float32"), allow_complex=False) == "float32"


def test_eps():
    assert eps(np.float32) == eps("complex64") == 2.0**-23
    assert eps(np.dtype(np.complex128)) == eps("float64") == 2.0**-52
    assert eps(pytest.importorskip("array_api_strict").float32) == 2.0**-23
