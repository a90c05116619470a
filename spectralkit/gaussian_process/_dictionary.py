"""Functions of one variable in which solutions are expanded, with all their derivatives."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre

from spectralkit.gaussian_process._fourier_extension import fourier_extension

# Modes from one line of the prior to the next: fewer let single modes be pruned that the frame needs.
_LINE_SPACING = 3.0


@dataclass(frozen=True)
class Lines:
    """Polynomials, and cosines and sines of some frequencies times polynomials.

    Closed under differentiation, so that the span holds the source of whatever it holds.
    """

    low: float
    high: float
    frequencies: np.ndarray
    degrees: np.ndarray
    """Number of polynomials that multiply each line."""
    n_polynomials: int

    @property
    def n_functions(self):
        return self.n_polynomials + 2 * int(np.sum(self.degrees))

    def spectra(self):
        """Return spectra of which a prior is mixed, (spectra, functions): here one for each line.

        What multiplies a line by polynomials belongs to it: apart, it would be pruned by noise that it is to
        explain.
        """
        lines = np.repeat(np.arange(1, len(self.degrees) + 1), 2 * self.degrees)
        labels = np.concatenate([np.zeros(self.n_polynomials, dtype=int), lines])
        return (np.arange(len(self.degrees) + 1)[:, None] == labels).astype(np.float64)

    def evaluate(self, x, order=0):
        """Return the derivatives of an order at points, (points, functions)."""
        centre, half = 0.5 * (self.low + self.high), 0.5 * (self.high - self.low)
        count = max([self.n_polynomials, *self.degrees])
        polynomials = [
            [legendre.legval((x - centre) / half, legendre.legder(row, j)) / half**j for row in np.eye(count)]
            for j in range(order + 1)
        ]
        columns = polynomials[order][: self.n_polynomials]
        for frequency, degree in zip(self.frequencies, self.degrees, strict=True):
            phase = frequency * (x - centre)
            for m in range(degree):
                for shift in (0.0, 0.5 * math.pi):  # a cosine and a sine, by Leibniz' rule
                    columns.append(
                        sum(
                            math.comb(order, j)
                            * polynomials[j][m]
                            * frequency ** (order - j)
                            * np.cos(phase - shift + 0.5 * math.pi * (order - j))
                            for j in range(order + 1)
                        )
                    )
        return np.stack(columns, axis=1)


@dataclass(frozen=True)
class Frame:
    """Fourier modes of a period longer than the interval: they hold any function that is analytic on it."""

    low: float
    high: float
    n_modes: int
    stretch: float

    @property
    def frequencies(self):
        return 2.0 * math.pi * np.arange(1, self.n_modes + 1) / (self.stretch * (self.high - self.low))

    @property
    def n_functions(self):
        return 2 * self.n_modes + 1

    def spectra(self):
        """Return spectra of which a prior is mixed, (spectra, functions): overlapping lines of some width."""
        modes = np.arange(self.n_modes + 1)
        centres = np.arange(0.0, self.n_modes + _LINE_SPACING, _LINE_SPACING)
        lines = np.exp(-0.5 * ((modes - centres[:, None]) / (0.5 * _LINE_SPACING)) ** 2)
        return np.concatenate([lines, lines[:, 1:]], axis=1)

    def evaluate(self, x, order=0):
        """Return the derivatives of an order at points, (points, functions)."""
        length = self.high - self.low
        centred = x - 0.5 * (self.low + self.high)
        modes = fourier_extension(centred, self.n_modes, self.stretch * length, order=order)
        omega = np.concatenate([[0.0], self.frequencies, self.frequencies])
        # Second derivatives of about equal size, so that truncation hits what the source does not see.
        return modes / np.maximum(omega, 2.0 * math.pi / length) ** 2
