"""Loops over the vectorisable functions, as a family's kernel file would have them."""

import numpy as np

from spectralkit._core.jit import SUM_FLAGS, njit, vexp, vlog


@njit()
def fill_exp(x, out):
    for i in range(x.size):
        out[i] = vexp(x[i])


@njit()
def fill_log(x, out):
    for i in range(x.size):
        out[i] = vlog(x[i])


@njit()
def fill_scalar_exp(x, out):
    for i in range(x.size):
        out[i] = np.exp(x[i])


@njit(fastmath=SUM_FLAGS)
def sum_exp(x):
    total = 0.0
    for i in range(x.size):
        total += vexp(x[i])
    return total


@njit(fastmath=SUM_FLAGS)
def total(x):
    found = 0.0
    for i in range(x.size):
        found += x[i]
    return found
