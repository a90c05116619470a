"""The operator: products of every shape, dtype and library, transposes, compositions."""

import pickle
import threading

import array_api_strict
import numpy as np
import pytest
import scipy.sparse.linalg
from hypothesis import given
from hypothesis import strategies as st

from spectralkit.structured import Butterfly, butterfly_matmul
from spectralkit.structured._plan import has_tables
from spectralkit.testing import dottest
from tests.structured import reference
from tests.structured.reference import relative, signals, twiddles

DTYPES = ("float32", "float64", "complex64", "complex128")
SIZES = (1, 2, 4, 8, 32, 64, 512, 1024)
rng = np.random.default_rng(0)


def limit(n, dtype=np.float64):
    return 4 * np.finfo(dtype).eps * max(np.log2(n), 1)


def operators(n):
    """One of each kind: single factors, chains, real parts, transposes, compositions."""
    circulant = Butterfly.circulant(np.random.default_rng(n).standard_normal(n))
    plain = Butterfly(twiddles(rng, n), permutation=np.random.default_rng(n).permutation(n))
    return {
        "real": plain,
        "complex": Butterfly(twiddles(rng, n, complex)),
        "scaled": Butterfly.idft(n),
        "real part": Butterfly.dct(n),
        "chain": Butterfly.circulant(signals(rng, n, complex)),
        "real part of a chain": circulant,
        "transpose": plain.T,
        "adjoint of a chain": circulant.H,
        "composition": plain @ Butterfly.dft(n),
        "two real parts": Butterfly.dst(n) @ Butterfly.dct(n),
        "a real part in between": Butterfly.dft(n) @ Butterfly.hartley(n) @ plain,
    }


KINDS = tuple(operators(2))


def test_convention():
    # Block b * 2^k + j of level k acts on rows 2b * 2^k + j and 2b * 2^k + 2^k + j.
    T, permutation = twiddles(rng, 16), rng.permutation(16)
    W = np.eye(16)[permutation]
    for k in range(4):
        level, s = np.zeros((16, 16)), 2**k
        for b in range(8 // s):
            for j in range(s):
                rows = [2 * b * s + j, 2 * b * s + s + j]
                level[np.ix_(rows, rows)] = T[k, b * s + j]
        W = level @ W
    assert relative(Butterfly(T, permutation=permutation).to_dense(), W) < limit(16)
    assert relative(reference.dense(T, permutation), W) < limit(16)


@pytest.mark.parametrize("permuted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("twiddle_dtype", ["float64", "complex128"])
@pytest.mark.parametrize("n", SIZES)
def test_product(n, twiddle_dtype, dtype, permuted):
    T = twiddles(rng, n, twiddle_dtype)
    permutation = rng.permutation(n) if permuted else None
    B = Butterfly(T, permutation=permutation)
    for rows in (1, 40):
        X = signals(rng, (rows, n), dtype)
        Y = B.matmul(X)
        # The precision of the signals; complex if one of both is.
        is_complex = "c" in (T.dtype.kind, X.dtype.kind)
        assert Y.dtype == (np.result_type(dtype, "complex64") if is_complex else dtype)
        assert relative(Y, reference.product(T, X, permutation)) <= limit(n, dtype)


@pytest.mark.parametrize("twiddle_dtype", DTYPES)
def test_dtype_of_the_blocks(twiddle_dtype):
    T = twiddles(rng, 32, twiddle_dtype)
    B, x = Butterfly(T), rng.standard_normal(32)
    assert B.dtype == B.T.dtype == B.to_dense().dtype == twiddle_dtype
    assert B.twiddle.dtype == twiddle_dtype
    assert relative(B @ x, reference.product(T, x[None])[0]) <= limit(32)
    assert Butterfly.dct(4).dtype == Butterfly.circulant(np.ones(4)).dtype == np.float64
    assert Butterfly.dft(4).dtype == Butterfly.circulant(np.ones(4) * 1j).dtype == np.complex128


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("twiddle_dtype", ["float64", "complex128"])
@pytest.mark.parametrize("n", [8, 64])
def test_batches(n, twiddle_dtype, dtype):
    # Rows one by one below 16, above in tiles of 32, the last of them partly filled.
    T = twiddles(rng, n, twiddle_dtype)
    B, X = Butterfly(T), signals(rng, (128, n), dtype)
    expected = reference.product(T, X)
    for rows in (0, 1, 15, 16, 17, 31, 32, 33, 128):
        Y = B.matmul(X[:rows])
        assert Y.shape == (rows, n)
        assert relative(Y, expected[:rows]) <= limit(n, dtype)


@pytest.mark.parametrize("shape", [(8, 3, 4), (3, 8, 4), (3, 4, 8), (8,), (8, 0), (0, 8), (2, 1, 8, 5)])
def test_axes(shape):
    X, B = rng.standard_normal(shape), Butterfly(twiddles(rng, 8))
    W = B.to_dense()
    for axis in (shape.index(8), shape.index(8) - len(shape)):
        Y = B.matmul(X, axis=axis)
        assert Y.shape == shape
        np.testing.assert_allclose(
            Y, np.moveaxis(np.tensordot(W, X, (1, axis)), 0, axis), rtol=1e-13, atol=1e-13
        )


@pytest.mark.parametrize("rows", [3, 40])
@pytest.mark.parametrize("twiddle_dtype", ["float64", "complex128"])
def test_layouts(rows, twiddle_dtype):
    B = Butterfly(twiddles(rng, 32, twiddle_dtype))
    X = rng.standard_normal((rows, 32))
    expected = B.matmul(X).tobytes()
    read_only = X.copy()
    read_only.flags.writeable = False
    others = [
        read_only,
        np.asfortranarray(X),
        np.repeat(X, 2, axis=1)[:, ::2],
        X[::-1, ::-1].copy()[::-1, ::-1],
        X.astype(">f8"),
        X.tolist(),
    ]
    for other in others:
        assert B.matmul(other).tobytes() == expected
    columns = np.ascontiguousarray(X.T)
    assert np.ascontiguousarray(B.matmul(columns, axis=0).T).tobytes() == expected
    for x in (X[1], read_only[1], others[2][1], others[3][1], others[4][1], X[1].tolist()):
        assert relative(B @ x, B.matmul(X)[1]) <= limit(32)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 2, 8, 32])
def test_products_are_those_of_the_matrix(kind, n):
    B = operators(n)[kind]
    W = B.to_dense()
    assert (W.shape, W.dtype, B.shape) == ((n, n), B.dtype, (n, n))
    for dtype in ("float64", "complex128"):
        x, X, Z = signals(rng, n, dtype), signals(rng, (n, 5), dtype), signals(rng, (3, n, 20), dtype)
        pairs = [
            (B @ x, W @ x),
            (B @ X, W @ X),
            (B @ Z, W @ Z),
            (x @ B, x @ W),
            (X.T @ B, X.T @ W),
            (B.T @ X, W.T @ X),
            (B.H @ X, W.conj().T @ X),
            (B.T.T @ X, W @ X),
            (B.H.H @ x, W @ x),
            (B.T.H @ x, W.conj() @ x),
        ]
        for found, expected in pairs:
            assert found.shape == expected.shape
            assert found.dtype == expected.dtype
            assert relative(found, expected) <= 8 * limit(n)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float64", "complex128", ">f8", "float32", "int64"])
def test_a_vector_by_itself(kind, dtype):
    # It takes a short cut.
    for n in (1, 2, 16, 32):
        B, x = operators(n)[kind], (10 * rng.standard_normal(n)).astype(dtype)
        found, expected = B @ x, B.matmul(x)
        assert (found.dtype, found.shape) == (expected.dtype, (n,))
        assert found.tobytes() == expected.tobytes()
        assert relative(found, B.to_dense() @ x) <= 8 * limit(n, found.dtype)
        assert not np.shares_memory(found, x)


@pytest.mark.parametrize("left", KINDS)
@pytest.mark.parametrize("right", KINDS)
def test_composition(left, right):
    A, B = operators(16)[left], operators(16)[right]
    C, expected = A @ B, A.to_dense() @ B.to_dense()
    X = signals(rng, (16, 20), complex)
    assert C.dtype == expected.dtype
    assert relative(C.to_dense(), expected) < 16 * limit(16)
    assert relative(C @ X, expected @ X) < 16 * limit(16)
    assert relative((C.H @ X), expected.conj().T @ X) < 16 * limit(16)
    assert C.n_parameters == A.n_parameters + B.n_parameters


@pytest.mark.parametrize("kind", KINDS)
def test_adjoint(kind):
    B = operators(64)[kind]
    dottest(B.aslinearoperator(), rng=0)
    dottest(B.H.aslinearoperator(), rng=0)
    u, v = signals(rng, (2, 64), complex)
    left, right = np.vdot(v, B @ u), np.vdot(B.H @ v, u)
    assert abs(left - right) < 1e-13 * np.linalg.norm(B @ u) * np.linalg.norm(v)


@given(st.integers(0, 7), st.integers(1, 40), st.booleans(), st.integers(0, 2**32 - 1))
def test_linearity_and_inverse(levels, rows, is_complex, seed):
    rng, n, dtype = np.random.default_rng(seed), 2**levels, complex if is_complex else float
    G = signals(rng, (levels, n // 2 if levels else 0, 2, 2), dtype)
    Q = np.linalg.qr(G)[0]
    B = Butterfly(Q, permutation=rng.permutation(n))
    X, Y, c = signals(rng, (rows, n), dtype), signals(rng, (rows, n), dtype), rng.standard_normal()
    assert relative(B.matmul(X + c * Y), B.matmul(X) + c * B.matmul(Y)) <= 4 * limit(n)
    # Unitary blocks keep norms, and the adjoint is the inverse.
    assert relative(B.H.matmul(B.matmul(X)), X) <= 4 * limit(n)
    assert np.linalg.norm(B.matmul(X)) == pytest.approx(np.linalg.norm(X), rel=4 * limit(n))


@pytest.mark.parametrize("rows", [5, 40])
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("kind", KINDS)
def test_no_row_spoils_another(kind, value, rows):
    B, X = operators(32)[kind], rng.standard_normal((rows, 32))
    clean = B.matmul(X)
    X[3, 7] = value
    found = B.matmul(X)
    assert not np.all(np.isfinite(found[3]))
    np.testing.assert_array_equal(np.delete(found, 3, 0), np.delete(clean, 3, 0))


def test_scipy_solves_and_decomposes():
    B = operators(32)["complex"]
    W, L = B.to_dense(), B.aslinearoperator()
    b = signals(rng, 32, complex)
    x = scipy.sparse.linalg.lsqr(L, b, atol=1e-14, btol=1e-14, iter_lim=2000)[0]
    assert relative(W @ x, b) < 1e-9
    s = scipy.sparse.linalg.svds(L, 3, return_singular_vectors=False, random_state=0)
    np.testing.assert_allclose(np.sort(s)[::-1], np.linalg.svd(W, compute_uv=False)[:3], rtol=1e-10)
    X = signals(rng, (32, 3))
    assert relative(L @ X, W @ X) < limit(32)
    assert relative(L.H @ X, W.conj().T @ X) < limit(32)
    assert L.matvec(b[:, None]).shape == (32, 1)
    assert (L.shape, L.dtype) == ((32, 32), B.dtype)


@pytest.mark.parametrize("kind", KINDS)
def test_pickle(kind):
    B, X = operators(16)[kind], rng.standard_normal((20, 16))
    before = pickle.dumps(B)
    expected = B.matmul(X)
    assert len(pickle.dumps(B)) == len(before)  # tables of products are not kept
    other = pickle.loads(before)
    assert other.matmul(X).tobytes() == expected.tobytes()
    assert repr(other) == repr(B)


@pytest.mark.parametrize("rows", [15, 40])
@pytest.mark.parametrize("kind", KINDS)
def test_threads_at_once(kind, rows):
    B, X = operators(1024)[kind], rng.standard_normal((rows, 1024))
    expected = pickle.loads(pickle.dumps(B)).matmul(X).tobytes()
    found, start = [], threading.Barrier(4)

    def work():
        start.wait()
        found.extend(B.matmul(X).tobytes() for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 80
    assert set(found) == {expected}


LIBRARIES = {
    "strict": lambda X: array_api_strict.asarray(X),
    "another device": lambda X: array_api_strict.asarray(X, device=array_api_strict.Device("device1")),
    "torch": lambda X: pytest.importorskip("torch").asarray(X),
}


def host(array):
    """Copy to NumPy, from any device of any of the libraries."""
    if hasattr(array, "to_device"):
        array = array.to_device(array_api_strict.Device("CPU_DEVICE"))
    return np.asarray(array)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", KINDS)
def test_other_libraries(kind, library):
    there = LIBRARIES[library]
    for n in (1, 8, 16):
        B = operators(n)[kind]
        moved = B.to(there(np.zeros(1)))
        for dtype in DTYPES:
            X = signals(rng, (3, n), dtype)
            for one, other in ((B, moved), (B.T, moved.T), (B.H, moved.H)):
                found, expected = other.matmul(there(X)), one.matmul(X)
                assert type(found) is type(there(X))
                assert found.device == there(X).device
                assert host(found).dtype == expected.dtype
                assert relative(host(found), expected) <= 8 * limit(n, dtype)
        found = moved.matmul(there(signals(rng, (n, 2))), axis=0)
        assert found.shape == (n, 2)
        assert relative(host(moved.to_dense()), B.to_dense()) <= 4 * limit(n)


@pytest.mark.parametrize("library", ["strict", "torch"])
def test_there_and_back(library):
    X = rng.standard_normal((3, 8))
    B = Butterfly.circulant(X[0])
    back = B.to(LIBRARIES[library](X)).to(X)
    assert back.matmul(X).tobytes() == B.matmul(X).tobytes()


def test_half_precision():
    X = rng.standard_normal((3, 8)).astype(np.float16)
    found = Butterfly.dct(8).matmul(X)
    assert found.dtype == np.float16
    assert relative(found, Butterfly.dct(8).matmul(X.astype(float))) < 1e-3
    assert Butterfly.dft(8).matmul(X).dtype == np.complex64


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_of_torch(dtype):
    torch = pytest.importorskip("torch")
    X = torch.asarray(rng.standard_normal((3, 8))).to(getattr(torch, dtype))
    B = Butterfly.dct(8).to(X)
    assert B.matmul(X).dtype == X.dtype
    assert relative(B.matmul(X).double(), Butterfly.dct(8).matmul(X.double().numpy())) < 1e-2
    assert Butterfly.dft(8).to(X).matmul(X).dtype == torch.complex64


def test_factors():
    T, permutation = twiddles(rng, 8), np.random.default_rng(1).permutation(8)
    ((twiddle, order, scale),) = Butterfly(T, permutation=permutation).factors
    np.testing.assert_array_equal(twiddle, T)
    np.testing.assert_array_equal(order, permutation)
    assert scale is None
    np.testing.assert_array_equal(Butterfly(T).twiddle, T)
    for kind in set(KINDS) - {"two real parts", "a real part in between"}:
        B = operators(8)[kind]
        W = np.eye(8)
        for twiddle, order, scale in B.factors:
            W = reference.dense(twiddle, order) @ W
            W = W if scale is None else scale[:, None] * W
        assert relative(W.real if B.real else W, B.to_dense()) < 8 * limit(8)


def test_a_chain_has_no_single_twiddle():
    for B in (Butterfly.circulant(np.arange(4.0)), Butterfly.dft(4) @ Butterfly.idft(4)):
        with pytest.raises(ValueError, match="a chain of 2 factors has no single twiddle: see factors"):
            _ = B.twiddle
    for name in ("factors", "twiddle", "real"):
        with pytest.raises(ValueError, match="in whose middle a real part is taken"):
            getattr(Butterfly.dct(4) @ Butterfly.dft(4), name)


def test_number_of_parameters():
    assert Butterfly(twiddles(rng, 16)).n_parameters == 2 * 16 * 4
    assert Butterfly.dft(16).n_parameters == 2 * 16 * 4
    assert Butterfly.dct(16).n_parameters == 2 * 16 * 4 + 16
    assert Butterfly.circulant(np.ones(16)).n_parameters == 2 * 2 * 16 * 4 + 16
    assert Butterfly(np.empty((0, 0, 2, 2))).n_parameters == 0


def test_repr():
    assert repr(Butterfly.dft(8)) == "<Butterfly 8x8, complex128, factors: 1>"
    assert repr(Butterfly.dct(8)) == "<Butterfly 8x8, float64, factors: 1, real part>"
    two = Butterfly.dst(8) @ Butterfly.dct(8)
    assert repr(two) == "<Butterfly 8x8, float64, factors: 1, real part; 1, real part>"


def test_nothing_given_is_changed_or_followed():
    T, X = twiddles(rng, 16), rng.standard_normal((20, 16))
    given, x = T.copy(), X.copy()
    B = Butterfly(T)
    before = B.matmul(X)
    np.testing.assert_array_equal(T, given)
    np.testing.assert_array_equal(X, x)
    T *= 2
    np.testing.assert_array_equal(B.matmul(X), before)
    assert relative(B.T.to_dense(), reference.dense(given).T) <= limit(16)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rows", [1, 40])
def test_an_infinite_imaginary_part_spoils_no_real_part(rows):
    operator = Butterfly.hadamard(8)
    X = np.random.default_rng(0).standard_normal((rows, 8)) + 0j
    X[0, 3] += 1j * np.inf
    Y = operator.matmul(X)
    np.testing.assert_array_equal(Y.real, operator.matmul(X.real))
    np.testing.assert_array_equal(Y.imag, operator.matmul(X.imag))


def test_factors_cannot_be_written_to():
    operator = Butterfly.circulant(np.arange(8.0))
    for array in (Butterfly.hadamard(8).twiddle, *operator.factors[0]):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_transposes_are_made_once():
    B, x = Butterfly(twiddles(rng, 64, complex)), signals(rng, 64, complex)
    assert B.T is B.T
    assert B.H is B.H
    assert B.T.T is B
    assert B.H.H is B
    assert relative(x @ B, x @ B.to_dense()) < limit(64)
    assert relative(x @ B.H, x @ B.to_dense().conj().T) < limit(64)
    real = Butterfly(twiddles(rng, 64))
    assert real.H is real.T


# Ranges, and memory that is nobody else's


@pytest.mark.parametrize("rows", [1, 5, 40])
@pytest.mark.parametrize(
    ("dtype", "size"), [("float64", 1e-200), ("float64", 1e200), ("float32", 1e-30), ("float32", 1e30)]
)
def test_levels_whose_product_is_out_of_range(dtype, size, rows):
    """Two levels are fused, where each step for itself is in range."""
    T = np.tile(np.eye(2, dtype=dtype), (4, 8, 1, 1))
    T[:2] *= np.dtype(dtype).type(size)
    X = np.full((rows, 16), 1.0 / size, dtype)
    for found in (Butterfly(T).matmul(X), butterfly_matmul(T, X), (Butterfly(T) @ X[0])[None]):
        assert found.dtype == dtype
        np.testing.assert_allclose(found, np.full_like(found, size), rtol=1e-6)


def test_what_is_negligible_in_its_row_does_not_count():
    """Rounding errors of blocks, as factorizations leave them, are no reason for the slow way."""
    T = twiddles(rng, 64)
    T[1, :, 0, 1] = T[2, :, 1, 0] = 1e-25
    T[3, :5] = 0.0
    assert has_tables(T, None, np.dtype(np.float32))
    T[1, 3, 0] = 1e-40
    assert not has_tables(T, None, np.dtype(np.float32))
    assert has_tables(T, None, np.dtype(np.float64))


@pytest.mark.parametrize(("size", "x"), [(1e-60, 1e30), (1e-40, 1e30), (1e60, 1e-30)])
def test_double_blocks_and_single_signals(size, x):
    operator, x = Butterfly.circulant(np.r_[size, np.zeros(7)]), np.full(8, x, np.float32)
    for found in (operator @ x, operator.matmul(np.tile(x, (40, 1)))[7], operator.T @ x):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, size * x.astype(float), rtol=1e-6)


@pytest.mark.parametrize("library", ["strict", "torch"])
def test_no_memory_is_shared_with_another_library(library):
    there = LIBRARIES[library]
    B, x = Butterfly(twiddles(rng, 8)), rng.standard_normal(8)
    before = B @ x
    moved = B.to(there(np.zeros(1)))
    transposed = host(moved.T.to_dense())
    for array in (moved.twiddle, moved.factors[0][0]):
        array[...] = 0
    assert_same = np.testing.assert_array_equal
    assert_same(B @ x, before)
    assert relative(host(moved.to_dense()).T, transposed) < limit(8)
    one = there(np.ones((3, 1)))
    product = butterfly_matmul(there(np.empty((0, 0, 2, 2))), one)
    product[...] = 5.0
    assert_same(host(one), np.ones((3, 1)))


def test_a_real_part_owns_its_memory():
    B = Butterfly.dct(8)
    for found in (B @ np.ones(8), B.matmul(np.ones((20, 8)))):
        assert found.flags.c_contiguous


def test_compositions_of_real_matrices_and_real_parts_are_chains():
    real, part = Butterfly.hadamard(8), Butterfly.dct(8)
    for operator in (part @ real, real @ part):
        assert operator.real
        assert len(operator.factors) == 2
    with pytest.raises(ValueError, match="in whose middle"):
        (part @ part).factors  # noqa: B018
