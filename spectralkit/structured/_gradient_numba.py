"""One level of a butterfly, forward and backward, with signals side by side."""

import numpy as np

from spectralkit._core.jit import SUM_FLAGS, njit


@njit(fastmath={"contract", "nsz"})
def forward(blocks, s, X, Y):
    """Write what a level of stride ``s`` makes of the columns of ``X``."""
    for pair in range(len(blocks)):
        low = (pair // s) * 2 * s + pair % s
        a, b, c, d = blocks[pair, 0, 0], blocks[pair, 0, 1], blocks[pair, 1, 0], blocks[pair, 1, 1]
        x, y, u, v = X[low], X[low + s], Y[low], Y[low + s]
        for k in range(x.size):
            u[k] = a * x[k] + b * y[k]
            v[k] = c * x[k] + d * y[k]


@njit(fastmath=SUM_FLAGS)
def backward(blocks, s, X, cotangent, grad, before):
    """Write the derivatives in the blocks and in ``X``."""
    for pair in range(len(blocks)):
        low = (pair // s) * 2 * s + pair % s
        a, b = np.conj(blocks[pair, 0, 0]), np.conj(blocks[pair, 0, 1])
        c, d = np.conj(blocks[pair, 1, 0]), np.conj(blocks[pair, 1, 1])
        x, y, p, q = X[low], X[low + s], cotangent[low], cotangent[low + s]
        u, v = before[low], before[low + s]
        ga, gb, gc, gd = 0.0 * a, 0.0 * a, 0.0 * a, 0.0 * a
        for k in range(x.size):
            ga += p[k] * np.conj(x[k])
            gb += p[k] * np.conj(y[k])
            gc += q[k] * np.conj(x[k])
            gd += q[k] * np.conj(y[k])
            u[k] = a * p[k] + c * q[k]
            v[k] = b * p[k] + d * q[k]
        grad[pair, 0, 0], grad[pair, 0, 1], grad[pair, 1, 0], grad[pair, 1, 1] = ga, gb, gc, gd
