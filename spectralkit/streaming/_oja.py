"""Gap-adaptive block Oja with a store of heavy rows: the state and its pure functions."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from spectralkit._core.namespaces import from_host, to_host
from spectralkit._core.random import block_rng
from spectralkit.streaming._heavy import HeavyStore
from spectralkit.streaming._linalg import (
    adjoint,
    column_dots,
    column_means,
    orthonormal_columns,
    random_columns,
    row_norms_sq,
    top_eigenpairs,
)
from spectralkit.streaming._moments import Moments, mean_shift, merge_moments
from spectralkit.streaming._order import History
from spectralkit.streaming._spectrum import Spectrum

# R/(R - 1) is the step that minimises the variance of Oja's rule at eigenvalue ratio R. It is unbounded
# as R -> 1, where nothing converges anyway: the ratio is floored and the rate capped.
GAP_FLOOR = 1.05
RATE_CAP = 10.0
# A direction with less than this share of the first eigenvalue is rounding noise and takes no steps.
LAM_FLOOR = 1e-12
# Blocks of fewer rows do not go through the compiled path.
SHORT = 32


@dataclass(frozen=True)
class OjaState:
    """Basis, its running eigenvalues a row, moments of the light rows, and the heavy rows."""

    basis: Any  # (d, k), orthonormal columns
    lam: Any  # (k,)
    t: float  # blocks of light rows seen, counted in full blocks; 0 before the first
    light: Moments
    heavy: HeavyStore
    history: History

    @classmethod
    def start(cls, config, like, xp, entropy):
        """Return the state before the first row."""
        d = like.shape[1]
        k = min(max(config.subspace_dim, config.n_components + 1), d)
        basis = orthonormal_columns(random_columns(block_rng(entropy, 0), d, k, like, xp), xp)
        lam = from_host(np.zeros(k), xp, basis)
        return cls(basis, lam, 0.0, Moments(), HeavyStore.empty(like, xp), History.empty())

    @property
    def n_samples(self):
        """Rows seen, heavy ones included."""
        return self.light.n + self.heavy.rows.shape[0]

    def threshold(self, n, added, config):
        """Return the squared norm above which a row is heavy, with ``added`` energy and n rows in all.

        Beside the share of the energy that the theory names, a row has to have twice the mean: in a short
        stream every row exceeds that share, and holding back ordinary ones would only unsettle the start.
        """
        energy = self.light.frobenius_sq + self.heavy.total + added
        return energy * max(config.heavy_factor(self.basis.shape[0]), 2.0 / n)

    def rescaled(self, factor):
        """Return the state of the same stream multiplied by ``factor``."""
        return replace(
            self,
            lam=self.lam * factor**2,
            light=self.light.rescaled(factor),
            heavy=self.heavy.rescaled(factor),
            history=self.history.rescaled(factor),
        )

    def update(self, rows, norms_sq, config, xp, *, overwrite=False):
        """Return the state after one block of rows, all of them finite and in the range of squares."""
        if config.center:
            # A few rows say little about their mean: one heavy row among them would hide in it.
            short = rows.shape[0] < SHORT and self.light.n
            mean = self.light.mean if short else column_means(rows, xp)
            centred = rows if sp.issparse(rows) else rows - mean[None, :]
            norms_sq = to_host(_norms_sq_about(centred, mean, xp))
        threshold = self.threshold(self.n_samples + rows.shape[0], norms_sq.sum(), config)
        heavy, pairs = self.heavy.exchange(rows, norms_sq, threshold, config.n_heavy, xp)
        return _absorb_light(replace(self, heavy=heavy), pairs, config, xp)

    def fast_forward(self, rows, scale, config):
        """Return the state after the leading plain blocks of a NumPy array, and the number of their rows."""
        from spectralkit.streaming._oja_numba import sweep, sweep_pair, workspace

        size = config.block_size
        blocks = rows.shape[0] // size
        if self.t == 0 or blocks == 0 or size < SHORT:
            return self, 0
        d = rows.shape[1]
        rows = rows.view()
        rows.flags.writeable = False  # numba compiles read-only arrays apart: always passing them saves one
        energy, rayleigh = np.empty(blocks), np.empty(blocks)
        basis, lam = np.array(self.basis.T, order="C"), self.lam.copy()
        limits = (config.heavy_factor(d), self.heavy.smallest)
        rates = (GAP_FLOOR, RATE_CAP, LAM_FLOOR)
        n, light = float(self.n_samples), self.light
        seen = light.frobenius_sq + self.heavy.total
        work = workspace(*basis.shape)
        if len(lam) == 2 and scale == 1.0 and not config.center:
            done = sweep_pair(rows, size, limits, rates, n, self.t, seen, basis, lam, energy, rayleigh, *work)
            mean = None
        else:
            mean = light.mean.copy() if config.center else np.zeros(0)
            done = sweep(
                rows,
                scale,
                size,
                config.center,
                limits,
                rates,
                n,
                float(light.n),
                self.t,
                seen,
                mean,
                basis,
                lam,
                energy,
                rayleigh,
                *work,
            )
            mean = mean if config.center else None
        if done == 0:
            return self, 0
        # One by one, so that the sum does not depend on how many blocks a call is given.
        fro = float(np.cumsum(np.append(light.frobenius_sq, energy[:done]))[-1])
        light = Moments(light.n + done * size, mean, fro)
        history = self.history.extended(energy[:done] / size, rayleigh[:done])
        state = replace(self, basis=basis.T, lam=lam, t=self.t + done, light=light, history=history)
        return state, done * size

    def first(self, rows, mean, config, xp):
        """Return the state after the first light rows, which give it its basis."""
        m = rows.shape[0]
        basis = _first_basis(self, rows, mean, config, xp)
        # Quotients of the rows that the basis was made from: high, but all there is until the next block.
        lam = column_dots(basis, _products(rows, basis, mean, None, xp), xp) / m
        return replace(self, basis=basis, lam=lam, t=m / config.block_size)

    def step(self, products, ell, m, config, xp, gain=2.0):
        """Return the state after one step with m rows; the same formulas as in ``_oja_numba.sweep``."""
        weight = m / config.block_size
        t = self.t + weight
        # A gain of 2 gives weights proportional to t, which forget the time before convergence; the first
        # figure is taken whole.
        blend = min(1.0, gain * weight / t) if float(to_host(self.lam)[0]) > 0 else 1.0
        lam = self.lam + (ell - self.lam) * blend
        figures = to_host(lam).astype(np.float64)
        k = len(figures)
        steps = np.zeros(k)
        for c in range(k):
            if figures[c] > LAM_FLOOR * figures[0]:
                # The last column has no follower: it takes the rate of the one before.
                pair = figures[c : c + 2] if c + 1 < k else figures[[max(c - 1, 0), c]]
                gap = max(pair[0] / max(pair[-1], 1e-100 * pair[0], 1e-300), GAP_FLOOR)
                rate = min(gap / (gap - 1.0), RATE_CAP)
                steps[c] = weight * rate / ((t + 2.0 * (rate - 1.0)) * figures[c] * m)
        moved = self.basis + products * from_host(steps, xp, products)[None, :]
        return replace(self, basis=orthonormal_columns(moved, xp), lam=lam, t=t)

    def merge(self, other, config, xp):
        """Return the state of both streams together: the best subspace of the two, not an exact merge."""
        light, correction = merge_moments(self.light, other.light, xp)
        n = max(light.n, 1)
        factors = [s.basis * xp.sqrt(s.lam * (s.light.n / n))[None, :] for s in (self, other) if s.t > 0]
        t = self.t + other.t
        if correction is not None:
            factors.append(adjoint(correction[None, :], xp) / n**0.5)
            t = t or light.n / config.block_size
        merged = replace(self, t=t, light=light, history=History.empty())
        stacked = xp.concat(factors, axis=1) if factors else None
        # A QR of zeros would give the coordinate axes.
        if stacked is not None and float(to_host(xp.max(xp.abs(stacked)))) > 0:
            span = orthonormal_columns(stacked, xp)
            reduced = adjoint(span, xp) @ stacked
            values, vectors = top_eigenpairs(reduced @ adjoint(reduced, xp), self.lam.shape[0], xp)
            lam = xp.where(values > 0, values, xp.zeros_like(values))
            merged = replace(merged, basis=orthonormal_columns(span @ vectors, xp), lam=lam)
        threshold = merged.threshold(self.n_samples + other.n_samples, other.heavy.total, config)
        heavy, pairs = self.heavy.exchange(
            other.heavy.rows, other.heavy.norms_sq, threshold, config.n_heavy, xp
        )
        # The averages stand for all rows alike: those evicted now count no more than the others.
        return _absorb_light(replace(merged, heavy=heavy), pairs, config, xp, gain=1.0)

    def pooled_heavy_rows(self, config, xp):
        """Return the rows that the light scatter lacks, the mean of all rows, and their sum of squares.

        Uncentred these are the heavy rows; centred they are taken about their own mean, and one correction
        row accounts for the distance between the two means.
        """
        rows = xp.astype(self.heavy.rows, self.basis.dtype, copy=False)
        mean = self.light.mean
        if rows.shape[0] == 0:
            return rows, mean, self.light.frobenius_sq
        if config.center:
            mean_heavy = column_means(rows, xp)
            mean, correction = mean_shift(self.light.n, mean, rows.shape[0], mean_heavy, xp)
            rows = rows - mean_heavy[None, :]
            if correction is not None:
                rows = xp.concat((rows, correction[None, :]), axis=0)
        return rows, mean, self.light.frobenius_sq + float(to_host(xp.sum(row_norms_sq(rows, xp))))

    def spectrum(self, k, config, xp):
        """Combine the basis and the heavy rows by Rayleigh-Ritz, and return the top of the spectrum."""
        d = self.basis.shape[0]
        rows, mean, fro = self.pooled_heavy_rows(config, xp)
        energy = self.light.n * self.lam
        fro_light = self.light.frobenius_sq
        tail_dim = max(d - self.lam.shape[0], 1)
        tail = (
            max(fro_light - float(to_host(xp.sum(energy))), 0.0) / tail_dim if d > self.lam.shape[0] else 0.0
        )
        excess = energy - tail
        factor = self.basis * xp.sqrt(xp.where(excess > 0, excess, xp.zeros_like(excess)))[None, :]
        # More vectors than dimensions would not be independent; QR then spans the whole space.
        stacked = xp.concat((self.basis, adjoint(rows, xp)), axis=1)
        span = orthonormal_columns(stacked, xp)
        left, right = adjoint(span, xp) @ factor, adjoint(span, xp) @ adjoint(rows, xp)
        values, vectors = top_eigenpairs(
            left @ adjoint(left, xp) + right @ adjoint(right, xp), min(k + 1, span.shape[1]), xp
        )
        return Spectrum(
            values=to_host(values) + tail,
            vectors=(span @ vectors).T,
            n_samples=self.n_samples,
            mean=mean,
            frobenius_sq=fro,
            heavy_rows=self.heavy.rows,
        )


def _norms_sq_about(rows, mean, xp):
    """Return the squared norms of the centred rows: dense rows come centred, a CSR matrix does not."""
    if not sp.issparse(rows):
        return row_norms_sq(rows, xp)
    # Expanded, so that the zeros stay implicit.
    inner = np.real(rows @ np.conj(mean))
    return np.maximum(row_norms_sq(rows, xp) - 2 * inner + np.vdot(mean, mean).real, 0.0)


def _absorb_light(state, pairs, config, xp, gain=2.0):
    """Take one step of block Oja with the light rows in ``pairs`` of rows and squared norms."""
    if not pairs:
        return state
    rows = _stacked([block for block, _ in pairs], state.basis.dtype, xp)
    m, light = rows.shape[0], state.light
    mean = mean_of_new = correction = None
    if config.center:
        mean_of_new = column_means(rows, xp)
        mean, correction = mean_shift(light.n, light.mean, m, mean_of_new, xp)
        rows = rows if sp.issparse(rows) else rows - mean_of_new[None, :]
        added = float(to_host(xp.sum(_norms_sq_about(rows, mean_of_new, xp))))
        if correction is not None:
            added += float(to_host(xp.sum(row_norms_sq(correction[None, :], xp))))
    else:
        added = sum(float(norms_sq.sum()) for _, norms_sq in pairs)
    state = replace(state, light=Moments(light.n + m, mean, light.frobenius_sq + added))
    if added == 0.0:
        return state
    if state.t == 0 and correction is None:
        started = state.first(rows, mean_of_new, config, xp)
        if started is not None:
            return started
    products = _products(rows, state.basis, mean_of_new, correction, xp)
    ell = column_dots(state.basis, products, xp) / m
    # With the correction row the expectation is the same for every block, and a drifting mean shows.
    history = state.history.extended([added / m], [float(to_host(ell)[0])])
    return replace(state.step(products, ell, m, config, xp, gain), history=history)


def _stacked(blocks, dtype, xp):
    """Return the rows of all blocks as one matrix; rows evicted from the store join a CSR block as CSR."""
    if any(sp.issparse(block) for block in blocks):
        return sp.vstack([sp.csr_matrix(block) for block in blocks], format="csr")
    blocks = [xp.astype(block, dtype, copy=False) for block in blocks]
    return xp.concat(blocks, axis=0) if len(blocks) > 1 else blocks[0]


def _products(rows, basis, mean, correction, xp):
    """Return the scatter of the rows times the basis: dense rows come centred, a CSR matrix does not."""
    products = adjoint(rows, xp) @ (rows @ basis)
    if mean is not None and sp.issparse(rows):
        products = products - rows.shape[0] * np.outer(np.conj(mean), mean @ basis)
    if correction is not None:
        row = correction[None, :]
        products = products + adjoint(row, xp) @ (row @ basis)
    return products


def _first_basis(state, rows, mean, config, xp):
    """Return the start: the principal directions of the first light rows, completed by random ones.

    A random start costs a transient that decays only like 1/t; the directions of the first block remove
    it. The random columns keep every coordinate in play when the first rows are sparse: an iterate that
    is exactly zero in a coordinate stays so under rows that are coordinate vectors.
    """
    m, d = rows.shape
    k = min(config.n_components, m, d)
    center = mean is not None and sp.issparse(rows)
    small = rows @ adjoint(rows, xp) if m <= d else adjoint(rows, xp) @ rows
    if sp.issparse(small):
        small = small.toarray()
    if m <= d:
        if center:  # centring a CSR matrix centres both sides of its Gram matrix
            small = small - small.mean(axis=0) - small.mean(axis=1)[:, None] + small.mean()
        values, vectors = top_eigenpairs(small, k, xp)
        columns = adjoint(rows, xp) @ vectors
        if center:
            columns = columns - np.outer(np.conj(mean), vectors.sum(axis=0))
    else:
        if center:
            small = small - m * np.outer(np.conj(mean), mean)
        values, columns = top_eigenpairs(small, k, xp)
    values = to_host(values)
    # A direction of no energy would be arbitrary, and along an axis: the random start is better.
    k = int(np.count_nonzero(values > 1e-10 * values[0]))
    norms = xp.sqrt(column_dots(columns[:, :k], columns[:, :k], xp))
    columns = columns[:, :k] / norms[None, :]
    return orthonormal_columns(xp.concat((columns, state.basis[:, k:]), axis=1), xp)
