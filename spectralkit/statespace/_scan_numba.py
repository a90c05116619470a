"""Compiled loops of the diagonal recurrence and of its adjoint."""

import math

import numba
import numpy as np

from spectralkit._core.jit import INNER, njit

# Modes go in groups of LANES, padded with zeros: loops of constant length keep to vector registers. A
# group is one flat row: of a model the parts of A, B and C, of a state its parts, LANES of each.
LANES = 16
_STEPS = 64


# No flags on what the outputs depend on: operations are neither fused nor reordered. Each step is then
# the same arithmetic in every compiled copy of the loop, and chunks of a stream give the bits of one call.
@njit(**INNER)
def _group(model, state, u, terms):
    """Advance a group of modes through a few steps, and add ``Re C x`` to the lanes of each step."""
    for t in range(len(u)):
        drive = np.float64(u[t])
        step = t * LANES
        for k in range(LANES):
            a, b, x, y = model[k], model[LANES + k], state[k], state[LANES + k]
            real = (a * x - b * y) + model[2 * LANES + k] * drive
            imaginary = (a * y + b * x) + model[3 * LANES + k] * drive
            state[k] = real
            state[LANES + k] = imaginary
            terms[step + k] += model[4 * LANES + k] * real - model[5 * LANES + k] * imaginary


@njit(**INNER)
def _channel(model, D, u, state, y):
    """Run the recurrence of one channel; the state is overwritten by the last one."""
    terms = np.empty(_STEPS * LANES)
    for start in range(0, len(u), _STEPS):
        part = u[start : start + _STEPS]
        terms[:] = 0.0
        for g in range(len(model)):
            _group(model[g], state[g], part, terms)
        for t in range(len(part)):
            s = terms[t * LANES : (t + 1) * LANES]
            even = ((s[0] + s[8]) + (s[4] + s[12])) + ((s[2] + s[10]) + (s[6] + s[14]))
            odd = ((s[1] + s[9]) + (s[5] + s[13])) + ((s[3] + s[11]) + (s[7] + s[15]))
            y[start + t] = 2.0 * (even + odd) + D * np.float64(part[t])


@njit()
def scan(model, D, u, u_row, state, y):
    """Run all channels; channel h is driven by row ``u_row[h]`` of u."""
    for h in range(len(y)):
        _channel(model[h], D[h, 0], u[u_row[h]], state[h], y[h])


@njit(parallel=True)
def scan_parallel(model, D, u, u_row, state, y):
    """Do as ``scan``, the channels spread over numba's threads."""
    for h in numba.prange(len(y)):
        _channel(model[h], D[h, 0], u[u_row[h]], state[h], y[h])


@njit(**INNER)
def _states(model, u, states):
    """Write the states of a group after each step to rows 1, 2, .., from the one in row 0."""
    for t in range(len(u)):
        drive = np.float64(u[t])
        before, after = states[t], states[t + 1]
        for k in range(LANES):
            a, b, x, y = model[k], model[LANES + k], before[k], before[LANES + k]
            after[k] = (a * x - b * y) + model[2 * LANES + k] * drive
            after[LANES + k] = (a * y + b * x) + model[3 * LANES + k] * drive


@njit(fastmath={"contract"}, **INNER)
def _backwards(model, states, u, y_bar, adjoint, sums, terms):
    """
    Run a group backwards: ``λ_t = conj(A) λ_{t+1} + 2 conj(C) ȳ_t``; ``adjoint`` holds ``conj(A) λ``.

    Adds the gradients of A, B and C to ``sums``, and ``Re conj(B) λ`` to the lanes of each step.
    """
    for i in range(len(u)):
        t = len(u) - 1 - i
        drive, weight = np.float64(u[t]), 2.0 * np.float64(y_bar[t])
        before, after, row = states[t], states[t + 1], terms[t]
        for k in range(LANES):
            p = adjoint[k] + model[4 * LANES + k] * weight
            q = adjoint[LANES + k] - model[5 * LANES + k] * weight
            x, y = before[k], before[LANES + k]
            sums[k] += p * x + q * y
            sums[LANES + k] += q * x - p * y
            sums[2 * LANES + k] += p * drive
            sums[3 * LANES + k] += q * drive
            sums[4 * LANES + k] += weight * after[k]
            sums[5 * LANES + k] -= weight * after[LANES + k]
            row[k] += model[2 * LANES + k] * p + model[3 * LANES + k] * q
            adjoint[k] = model[k] * p + model[LANES + k] * q
            adjoint[LANES + k] = model[k] * q - model[LANES + k] * p


@njit(**INNER)
def _copy(source, target):
    # A loop, because numba takes a quarter of a second to compile each assignment of an array.
    for i in range(len(source)):
        target[i] = source[i]


@njit(**INNER)
def _channel_adjoint(model, D, u, state, y_bar, adjoint, grads, grad_u):
    """
    Write the gradients of one channel, and return the one of D.

    ``adjoint`` starts as the gradient of the last state and ends as that of the first. States are kept at
    the starts of √L blocks; those inside a block are computed again.
    """
    length, n_groups = len(u), len(model)
    size = max(1, int(math.sqrt(length)))
    n_blocks = (length + size - 1) // size
    starts = np.empty((n_blocks, n_groups, 2 * LANES))
    states = np.empty((size + 1, 2 * LANES))
    sums = np.empty(6 * LANES)
    terms = np.empty((size, LANES))
    grads[:] = 0.0
    for g in range(n_groups):
        _copy(state[g], states[0])
        for block in range(n_blocks):
            _copy(states[0], starts[block, g])
            part = u[block * size : (block + 1) * size]
            _states(model[g], part, states)
            _copy(states[len(part)], states[0])
    grad_D = 0.0
    for i in range(n_blocks):
        block = n_blocks - 1 - i
        first, stop = block * size, min((block + 1) * size, length)
        part, cotangent = u[first:stop], y_bar[first:stop]
        terms[:] = 0.0
        for g in range(n_groups):
            _copy(starts[block, g], states[0])
            _states(model[g], part, states)
            # Sums of blocks are added up, so that rounding errors grow with √L.
            sums[:] = 0.0
            _backwards(model[g], states, part, cotangent, adjoint[g], sums, terms)
            for k in range(6 * LANES):
                grads[g, k] += sums[k]
        subtotal = 0.0
        for t in range(stop - first):
            total = 0.0
            for k in range(LANES):
                total += terms[t, k]
            grad_u[first + t] = total + D * cotangent[t]
            subtotal += cotangent[t] * part[t]
        grad_D += subtotal
    return grad_D


@njit()
def adjoint(model, D, u, u_row, state, y_bar, y_row, state_bar, grads, grad_D, grad_u):
    """Run all channels backwards; rows ``u_row[h]`` and ``y_row[h]`` belong to channel h."""
    for h in range(len(model)):
        grad_D[h] = _channel_adjoint(
            model[h], D[h, 0], u[u_row[h]], state[h], y_bar[y_row[h]], state_bar[h], grads[h], grad_u[h]
        )


@njit(parallel=True)
def adjoint_parallel(model, D, u, u_row, state, y_bar, y_row, state_bar, grads, grad_D, grad_u):
    """Do as ``adjoint``, the channels spread over numba's threads."""
    for h in numba.prange(len(model)):
        grad_D[h] = _channel_adjoint(
            model[h], D[h, 0], u[u_row[h]], state[h], y_bar[y_row[h]], state_bar[h], grads[h], grad_u[h]
        )
