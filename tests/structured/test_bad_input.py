"""Wrong input to the functions and the operator: the exceptions, with the value and what to do."""

import array_api_strict
import numpy as np
import pytest

from spectralkit.structured import (
    Butterfly,
    butterfly_factorize,
    butterfly_gradient,
    butterfly_learn,
    butterfly_matmul,
    ks_matmul,
)
from tests.structured.reference import twiddles

rng = np.random.default_rng(0)
T, x = twiddles(rng, 8), rng.standard_normal(8)
B, W = Butterfly(T), rng.standard_normal((8, 8))


def changed(array, value):
    array = array.copy()
    array.flat[3] = value
    return array


TWIDDLE = {
    "operator": Butterfly,
    "matmul": lambda T: butterfly_matmul(T, x),
    "gradient": lambda T: butterfly_gradient(T, x, x),
}
SHAPE = r"twiddle must be of shape \(log2\(n\), n/2, 2, 2\); got shape "


@pytest.mark.parametrize("function", TWIDDLE.values(), ids=TWIDDLE)
@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (T[0], ValueError, SHAPE + r"\(4, 2, 2\)"),
        (T[:2], ValueError, SHAPE + r"\(2, 4, 2, 2\)"),
        (T[:, :3], ValueError, SHAPE + r"\(3, 3, 2, 2\)"),
        (T[..., :1], ValueError, SHAPE + r"\(3, 4, 2, 1\)"),
        (np.ones((1, 0, 2, 2)), ValueError, SHAPE),
        (np.ones((0, 1, 2, 2)), ValueError, SHAPE),
        (1.0, ValueError, SHAPE + r"\(\)"),
        (
            [[1.0], [1.0, 2.0]],
            ValueError,
            "twiddle must be an array of numbers; got rows of different lengths",
        ),
        (changed(T, np.nan), ValueError, "twiddle must be finite; got NaN or infinity"),
        (changed(T, np.inf), ValueError, "twiddle must be finite"),
        (T.astype(object), TypeError, "twiddle must be of .*; got dtype object"),
        (T.astype("longdouble"), TypeError, "twiddle must be of"),
    ],
)
def test_twiddle(function, value, error, match):
    with pytest.raises(error, match=match):
        function(value)


PERMUTED = {
    "operator": lambda p: Butterfly(T, permutation=p),
    "factorize": lambda p: butterfly_factorize(W, permutation=p),
    "learn": lambda p: butterfly_learn(W, permutation=p),
}


@pytest.mark.parametrize("function", PERMUTED.values(), ids=PERMUTED)
@pytest.mark.parametrize(
    ("value", "match"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 6], "got places that repeat or are out of range"),
        ([1, 2, 3, 4, 5, 6, 7, 8], "got places that repeat or are out of range"),
        ([-1, 0, 1, 2, 3, 4, 5, 6], "got places that repeat or are out of range"),
        (np.arange(8.0), r"got shape \(8,\) and dtype float64"),
        (np.arange(8) == 1, r"got shape \(8,\) and dtype bool"),
        (np.arange(4), r"got shape \(4,\) and dtype int64"),
        (np.arange(8)[None], r"got shape \(1, 8\)"),
        (3, r"got shape \(\)"),
    ],
)
def test_permutation(function, value, match):
    with pytest.raises(ValueError, match=r"permutation must be a permutation of 0, \.\.\., 7; " + match):
        function(value)


@pytest.mark.parametrize("function", [butterfly_factorize, butterfly_learn])
def test_name_of_a_permutation(function):
    for name in ("worst", ""):
        with pytest.raises(ValueError, match="permutation must be one of 'best', 'bitrev'; got "):
            function(W, permutation=name)


MATRIX = {"W": butterfly_factorize, "W_or_pairs": butterfly_learn}


@pytest.mark.parametrize(("name", "function"), MATRIX.items(), ids=MATRIX)
@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (np.ones((4, 8)), ValueError, r"{} must be square; got shape \(4, 8\)"),
        (np.ones(4), ValueError, r"{} must be square; got shape \(4,\)"),
        (np.ones((2, 4, 4)), ValueError, r"{} must be square; got shape \(2, 4, 4\)"),
        (
            np.ones((12, 12)),
            ValueError,
            "the size of {} must be a power of two; got 12. Pad it with zeros to 16",
        ),
        (
            np.ones((0, 0)),
            ValueError,
            "the size of {} must be a power of two; got 0. Pad it with zeros to 1",
        ),
        (changed(W, np.nan), ValueError, "{} must be finite; got NaN or infinity"),
        (changed(W, -np.inf), ValueError, "{} must be finite"),
        (changed(W + 0j, 1j * np.inf), ValueError, "{} must be finite"),
        (W.astype(object), TypeError, "{} must be of .*; got dtype object"),
        (array_api_strict.asarray(W), TypeError, "{} must be a NumPy array; .* Copy it to the host"),
    ],
)
def test_matrix(name, function, value, error, match):
    with pytest.raises(error, match=match.format(name)):
        function(value)


@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (
            (np.ones((5, 12)), np.ones((5, 12))),
            ValueError,
            "columns of X must be a power of two; got 12. Pad .* 16",
        ),
        (
            (np.ones((5, 8)), np.ones((5, 4))),
            ValueError,
            r"Y must be of shape \(5, 8\), as X; got shape \(5, 4\)",
        ),
        (
            (np.ones((5, 8)), np.ones((4, 8))),
            ValueError,
            r"Y must be of shape \(5, 8\), as X; got shape \(4, 8\)",
        ),
        ((np.ones((5, 8)), np.ones(8)), ValueError, r"Y must be of shape \(m, n\); got shape \(8,\)"),
        (
            (np.ones((0, 8)), np.ones((0, 8))),
            ValueError,
            r"X must be of shape \(m, n\); got shape \(0, 8\)",
        ),
        ((W, changed(W, np.nan)), ValueError, "Y must be finite"),
        ((changed(W, np.inf), W), ValueError, "X must be finite"),
        ((array_api_strict.asarray(W), W), TypeError, "X must be a NumPy array"),
        ((W, array_api_strict.asarray(W)), TypeError, "Y must be a NumPy array"),
        ((W, W.astype(object)), TypeError, "Y must be of"),
        (np.ones((1, 1)), ValueError, "n must be at least 2; got 1. A number has no levels"),
    ],
)
def test_pairs(value, error, match):
    with pytest.raises(error, match=match):
        butterfly_learn(value)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"n_blocks": 0}, ValueError, "n_blocks must be an integer of at least 1; got 0"),
        ({"n_blocks": True}, TypeError, "n_blocks must be an integer; got True"),
        (
            {"field": "rational"},
            ValueError,
            "field must be one of 'auto', 'real', 'complex'; got 'rational'",
        ),
        ({"init": "zeros"}, ValueError, "init must be one of 'factorize', 'random'; got 'zeros'"),
        ({"n_restarts": 0}, ValueError, "n_restarts must be an integer of at least 1"),
        ({"max_iter": -1}, ValueError, "max_iter must be an integer of at least 0; got -1"),
        ({"max_iter": 10.0}, TypeError, "max_iter must be an integer; got 10.0"),
        ({"tol": -1e-3}, ValueError, r"tol must be a finite number in \[0, inf\]; got -0.001"),
        ({"tol": np.nan}, ValueError, "tol must be a finite number"),
        ({"rng": "seed"}, TypeError, "rng must be None, a non-negative integer or"),
        ({"rng": -1}, ValueError, "rng must be None, a non-negative integer or"),
    ],
)
def test_options_of_learning(options, error, match):
    with pytest.raises(error, match=match):
        butterfly_learn(W, **options)


@pytest.mark.parametrize("name", ["dft", "idft", "dct", "dst", "hadamard", "hartley"])
@pytest.mark.parametrize(
    ("n", "error", "match"),
    [
        (12, ValueError, "n must be a power of two; got 12. Pad it with zeros to 16"),
        (1025, ValueError, "n must be a power of two; got 1025. Pad it with zeros to 2048"),
        (0, ValueError, "n must be an integer of at least 1; got 0"),
        (-4, ValueError, "n must be an integer of at least 1; got -4"),
        (8.0, TypeError, "n must be an integer; got 8.0"),
        (True, TypeError, "n must be an integer; got True"),
    ],
)
def test_length(name, n, error, match):
    with pytest.raises(error, match=match):
        getattr(Butterfly, name)(n)


@pytest.mark.parametrize(
    ("c", "error", "match"),
    [
        (np.ones(6), ValueError, "the length of c must be a power of two; got 6. Pad it with zeros to 8"),
        (np.ones(0), ValueError, "the length of c must be a power of two; got 0"),
        (np.ones((2, 2)), ValueError, r"c must be of shape \(n,\); got shape \(2, 2\)"),
        (1.0, ValueError, r"c must be of shape \(n,\); got shape \(\)"),
        ([1.0, np.nan], ValueError, "c must be finite"),
        (
            array_api_strict.ones(4),
            TypeError,
            r"c must be a NumPy array; .* Use to\(\) for an operator elsewhere",
        ),
        (np.ones(4, object), TypeError, "c must be of"),
    ],
)
def test_first_column(c, error, match):
    with pytest.raises(error, match=match):
        Butterfly.circulant(c)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: B @ np.ones(4), ValueError, r"X must be of length 8 along axis -1; got shape \(4,\)"),
        (
            lambda: B @ np.ones((4, 8)),
            ValueError,
            r"X must be of length 8 along axis -2; got shape \(4, 8\)",
        ),
        (
            lambda: np.ones((8, 4)) @ B,
            ValueError,
            r"X must be of length 8 along axis -1; got shape \(8, 4\)",
        ),
        (lambda: B @ 3.0, ValueError, r"X must be of length 8 .*; got shape \(\)"),
        (lambda: B.matmul(np.ones((8, 4)), axis=1), ValueError, "X must be of length 8 along axis 1"),
        (
            lambda: B.matmul(np.ones((8, 4)), axis=2),
            ValueError,
            "axis must be an integer between -2 and 1; got 2",
        ),
        (
            lambda: B.matmul(np.ones((8, 4)), axis=-3),
            ValueError,
            "axis must be an integer between -2 and 1",
        ),
        (lambda: B.matmul(np.ones((8, 4)), axis=0.0), TypeError, "axis must be an integer; got 0.0"),
        (lambda: B @ x.astype(object), TypeError, "X must be of .*; got dtype object"),
        (lambda: B @ x.astype("longdouble"), TypeError, "X must be of"),
        (lambda: B @ array_api_strict.asarray(x), TypeError, "arrays of one library on one device"),
        (lambda: B @ Butterfly.dft(4), ValueError, "the right operator must be of size 8; got size 4"),
        (lambda: butterfly_matmul(T, np.ones((8, 4))), ValueError, r"X must be of shape \(\.\.\., 8\)"),
        (
            lambda: butterfly_matmul(T, 1.0),
            ValueError,
            r"X must be of shape \(\.\.\., 8\); got shape \(\)",
        ),
        (lambda: butterfly_matmul(T, x, adjoint=1), TypeError, "adjoint must be True or False; got 1"),
        (lambda: butterfly_gradient(T, np.ones(4), x), ValueError, r"X must be of shape \(\.\.\., 8\)"),
        (
            lambda: butterfly_gradient(T, x, x[None]),
            ValueError,
            r"cotangent must be of shape \(\.\.\., 8\)",
        ),
        (
            lambda: butterfly_gradient(T, x[None], x),
            ValueError,
            r"cotangent must be of shape \(\.\.\., 8\)",
        ),
        (lambda: butterfly_gradient(T, 1.0, 1.0), ValueError, r"X must be of shape \(\.\.\., 8\)"),
        (
            lambda: butterfly_gradient(*map(array_api_strict.asarray, (T, x, x))),
            TypeError,
            "twiddle must be a NumPy array; .* Copy them to the host",
        ),
        (
            lambda: butterfly_gradient(T, x, array_api_strict.asarray(x)),
            TypeError,
            "arrays of one library",
        ),
    ],
)
def test_calls(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_rows_of_different_lengths():
    ragged = [[1.0, 2.0], [3.0]]
    for call in (
        lambda: B @ ragged,
        lambda: Butterfly(T, permutation=ragged),
        lambda: butterfly_learn((ragged, ragged)),
    ):
        with pytest.raises(ValueError, match="must be an array of numbers; got rows of different lengths"):
            call()


def test_factors_that_are_no_list():
    for values, kind in ((None, "NoneType"), (3, "int"), (np.array(1.0), "ndarray")):
        with pytest.raises(TypeError, match=f"values must be a list of arrays .*; got type {kind}"):
            ks_matmul(values, x)


@pytest.mark.filterwarnings("error")
def test_numbers_out_of_range():
    for dtype in ("float32", "complex64", "float64", "complex128"):
        largest = np.full((8, 8), np.finfo(dtype).max / 4, dtype=dtype)
        with pytest.raises(ValueError, match=r"W must be small enough for its factors; .* Scale it down"):
            butterfly_factorize(3 * largest)
    for value in (1.7e308, 1.7e308 + 1.7e308j):
        with pytest.raises(ValueError, match="c must be small enough for its Fourier transform"):
            Butterfly.circulant(np.full(8, value))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("init", ["factorize", "random"])
def test_units_out_of_range(init):
    pairs = np.eye(8), np.eye(8)
    for dtype, size in (("float32", 1e30), ("float64", 1e200), ("complex128", 1e200)):
        for power in (1, -1):
            X, Y = (part.astype(dtype) for part in (pairs[0] * size**-power, pairs[1] * size**power))
            with pytest.raises(ValueError, match=r"relative to inputs is in the range of .* Scale one of"):
                butterfly_learn((X, Y), init=init, max_iter=20, rng=0)


def test_blocks_of_another_library_and_scipy():
    operator = B.to(array_api_strict.ones(1))
    with pytest.raises(TypeError, match="the operator must be of NumPy arrays; got arrays of array_api"):
        operator.aslinearoperator()
