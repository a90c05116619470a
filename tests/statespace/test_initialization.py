"""Diagonal systems against the kernel that they stand for."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from spectralkit.statespace import DiagonalInit, diagonal_init, hippo, legs_kernel

TIMES = np.concatenate([[0.0], np.logspace(-6, 1, 401)])
SIZES = (16, 17, 31, 32, 64, 65, 100, 127, 128)


def response(init, t):
    """Return the impulse response of the full state, (..., n)."""
    modes = np.exp(np.asarray(t)[..., None] * init.A) * (init.weight * init.B)
    return 2.0 * (modes @ init.basis.T).real


def largest_error(init, n):
    """Return the error over 50 readouts c of norm 1, relative to the largest value of each response."""
    c = np.random.default_rng(0).standard_normal((n, 50))
    c /= np.linalg.norm(c, axis=0)
    exact = legs_kernel(n, TIMES) @ c
    return np.max(np.abs(response(init, TIMES) @ c - exact) / np.abs(exact).max(axis=0))


@pytest.mark.parametrize("n", SIZES)
def test_ptd_reproduces_the_legs_kernel(n):
    assert largest_error(diagonal_init("ptd", n), n) <= 3e-7  # 1e-6 is promised


@pytest.mark.parametrize("n", [n for n in SIZES if n % 2 == 0])
def test_s4d_does_not(n):
    assert largest_error(diagonal_init("legs", n), n) >= 0.5


@pytest.mark.parametrize("n", [1, 2, 3, 8, 256])
def test_ptd_of_other_sizes(n):
    assert largest_error(diagonal_init("ptd", n), n) <= 3e-7


@pytest.mark.parametrize("n", [1, 7, 16, 33, 64])
def test_ptd_stands_for_every_state_once(n):
    init = diagonal_init("ptd", n)
    r = len(init.A)
    assert n / 2 <= r <= n
    assert_allclose(2.0 * init.weight.sum(), n)
    assert_array_equal(init.weight, np.where(init.A.imag == 0.0, 0.5, 1.0))
    assert np.all(init.A.imag >= 0.0)
    assert init.B.shape == (r,)
    assert init.basis.shape == (n, r)
    real = init.A.imag == 0.0
    assert not init.basis[:, real].imag.any()
    assert not init.B[real].imag.any()


@pytest.mark.parametrize("eps", ["auto", 1e-6, 0.1])
@pytest.mark.parametrize("n", [5, 64, 200])
def test_ptd_is_stable_whatever_the_perturbation(n, eps):
    init = diagonal_init("ptd", n, eps=eps, rng=0)
    assert init.A.real.max() <= -0.5 + 1e-9


@pytest.mark.parametrize("eps", ["auto", 1e-3])
def test_ptd_is_the_diagonal_form_of_a_matrix_nearby(eps):
    n = 32
    A, B = hippo("legs", n)
    init = diagonal_init("ptd", n, eps=eps, rng=0)
    V = np.hstack([init.basis, init.basis[:, init.weight == 1.0].conj()])
    values = np.concatenate([init.A, init.A[init.weight == 1.0].conj()])
    nearby = (V * values) @ np.linalg.inv(V)
    allowed = 1e-8 if eps == "auto" else 0.0
    size = 1.5e-8 if eps == "auto" else eps
    assert np.linalg.norm(nearby - A, 2) <= (size + allowed) * (1 + 1e-6) * np.linalg.norm(A, 2)
    E = nearby - A
    assert np.linalg.norm(E + E.conj().T, 2) <= 0.2 * np.linalg.norm(E, 2)  # skew up to rounding
    assert_allclose(response(init, 0.0), B, atol=1e-7)


def test_larger_eps_gives_a_better_basis_and_a_worse_kernel():
    n = 32
    inits = [diagonal_init("ptd", n, eps=eps, rng=0) for eps in (1e-6, 1e-3)]
    spans = [np.linalg.cond(np.hstack([i.basis.real, i.basis.imag[:, i.weight == 1.0]])) for i in inits]
    errors = [largest_error(init, n) for init in inits]
    assert spans[1] < spans[0] / 10
    assert errors[1] > errors[0] * 10


def test_randomness():
    auto = [diagonal_init("ptd", 20, rng=seed) for seed in (0, 1)]
    assert_array_equal(auto[0].A, auto[1].A)
    assert_array_equal(
        diagonal_init("ptd", 20, eps=0.01, rng=3).B, diagonal_init("ptd", 20, eps=0.01, rng=3).B
    )


@pytest.mark.parametrize("n", [2, 24])
def test_s4d_legs_is_the_normal_part(n):
    A, B = hippo("legs", n)
    P = np.sqrt(np.arange(n) + 0.5)
    normal = A + np.outer(P, P)
    init = diagonal_init("legs", n)
    assert_allclose(normal @ init.basis, init.basis * init.A, atol=1e-12 * np.linalg.norm(normal))
    assert_allclose(init.basis.conj().T @ init.basis, np.eye(n // 2), atol=1e-14)
    assert_allclose(init.basis.T @ init.basis, 0.0, atol=1e-14)  # conjugates are the other half
    assert_allclose(init.B, 0.5 * init.basis.conj().T @ B, atol=1e-13)
    assert_array_equal(init.A.real, -0.5)
    # Half of B, as a full state.
    assert_allclose(response(init, 0.0), 0.5 * B, atol=1e-12)


def test_published_frequency_of_s4d_legs():
    assert round(diagonal_init("legs", 64).A.imag.max(), 2) == 1303.27


def test_s4d_error_in_frequency():
    """The spike at the largest frequency, 2 n / π of the response at 0, and 1.03 / n at frequency 1."""
    from spectralkit.statespace import legs_transfer_function

    n = 64
    init = diagonal_init("legs", n)
    full = np.concatenate([init.A, init.A.conj()])
    V = np.hstack([init.basis, init.basis.conj()])
    B = np.concatenate([init.B, init.B.conj()])

    def error(w):
        return np.linalg.norm(V @ (B / (1j * w - full)) - legs_transfer_function(n, 1j * w))

    assert error(init.A.imag.max()) == pytest.approx(0.637 * n, rel=0.01)
    assert error(1.0) == pytest.approx(1.03 / n, rel=0.05)


@pytest.mark.parametrize("n", [2, 10, 64])
def test_formulas(n):
    k = np.arange(n // 2)
    lin, inv = diagonal_init("lin", n), diagonal_init("inv", n)
    assert_allclose(lin.A, -0.5 + 1j * np.pi * k)
    assert_allclose(inv.A, -0.5 + 1j * (n / np.pi) * (n / (2 * k + 1) - 1))
    for init in (lin, inv):
        assert_array_equal(init.B, 1.0)
        assert_array_equal(init.weight, 1.0)
        x = np.exp(1j * k) * (1.0 + k)
        full = 2.0 * (init.basis @ (init.weight * x)).real
        assert_array_equal(full, np.concatenate([x.real, x.imag]))


def test_result():
    init = diagonal_init("lin", 4)
    A, B = init
    assert A is init.A
    assert B is init.B
    assert isinstance(init, DiagonalInit)
    assert list(init.asdict()) == ["A", "B", "weight", "basis"]
    assert all(a.dtype == "complex128" for a in (init.A, init.B, init.basis))


def test_errors():
    with pytest.raises(ValueError, match="kind must be one of"):
        diagonal_init("quad", 4)
    for kind in ("lin", "inv", "legs"):
        with pytest.raises(ValueError, match="n must be even; got 5"):
            diagonal_init(kind, 5)
    with pytest.raises(ValueError, match="at least 1"):
        diagonal_init("ptd", 0)
    with pytest.raises(TypeError, match="an integer"):
        diagonal_init("ptd", 4.0)
    with pytest.raises(ValueError, match="eps must be"):
        diagonal_init("ptd", 4, eps="small")
    with pytest.raises(ValueError, match="eps must be"):
        diagonal_init("ptd", 4, eps=-1.0)


def test_options_of_ptd_are_checked_for_all_kinds():
    with pytest.raises(ValueError, match="eps must be a finite number"):
        diagonal_init("lin", 4, eps=-1)
    with pytest.raises(ValueError, match="eps must be one of 'auto'"):
        diagonal_init("legs", 4, eps="large")
    with pytest.raises(TypeError, match="rng must be None"):
        diagonal_init("inv", 4, rng="x")
