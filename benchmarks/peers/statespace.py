"""Peers of `spectralkit.statespace`: formulas as PyTorch and NumPy take them, SciPy's simulator."""

import numpy as np
import scipy.fft
import scipy.signal


def has_torch():
    """Whether PyTorch is there to import."""
    try:
        import torch
    except ImportError:
        return False
    return torch is not None


def torch_vandermonde(log_z, C, length, dtype="complex64"):
    """The kernel in two lines, all powers in memory: an outer product, its exponential, a contraction."""
    import torch

    dtype = getattr(torch, dtype)
    log_z, C = torch.as_tensor(log_z).to(dtype), torch.as_tensor(C).to(dtype)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        powers = torch.exp(log_z[..., None] * torch.arange(length))
        return 2 * torch.einsum("hn,hnl->hl", C, powers).real.numpy()
    finally:
        torch.set_num_threads(threads)


def numpy_vandermonde(log_z, C, length):
    """The same in NumPy, in double precision."""
    return 2 * np.einsum("hn,hnl->hl", C, np.exp(log_z[..., None] * np.arange(length))).real


def numpy_cauchy(v, z, w):
    """The sum as the formula reads, for any precision of NumPy."""
    s, v, w = 1j * z, v[..., None], w[..., None]
    return np.sum(v / (s - w) + v.conj() / (s - w.conj()), axis=-2)


def fft_convolution(u, k):
    """The response by SciPy's FFT, padded to twice the length."""
    size = 2 * u.shape[-1]
    return scipy.fft.irfft(scipy.fft.rfft(u, size) * scipy.fft.rfft(k, size), size)[..., : u.shape[-1]]


def scipy_simulation(A_bar, B_bar, C, u):
    """One channel by `scipy.signal.dlsim`, with two real states for each pair of modes."""
    n = len(A_bar)
    A, B, row = np.zeros((2 * n, 2 * n)), np.zeros((2 * n, 1)), np.zeros((1, 2 * n))
    for j, (a, b, c) in enumerate(zip(A_bar, B_bar, C, strict=True)):
        pair = slice(2 * j, 2 * j + 2)
        A[pair, pair] = [[a.real, -a.imag], [a.imag, a.real]]
        B[pair, 0] = b.real, b.imag
        row[0, pair] = 2 * c.real, -2 * c.imag
    # SciPy reads the output before the step, ours after it: y = C (A x + B u).
    return scipy.signal.dlsim((A, B, row @ A, row @ B, 1.0), u)[1][:, 0]
