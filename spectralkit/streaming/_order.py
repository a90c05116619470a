"""A cheap test of whether a stream looks sorted."""

from dataclasses import dataclass, replace

import numpy as np

# Entries kept; when they are full, neighbours are averaged and each entry stands for twice as many blocks.
_CAPACITY = 256
# Under random order the statistic has, for many rows a block, Kolmogorov's distribution, which exceeds 3
# with probability 3e-8; independent rows with heavy tails were seen to reach 3.4.
_SUSPICIOUS = 4.0


class OrderWarning(UserWarning):
    """The rows look sorted, and the method in use assumes that they come in random order."""


@dataclass(frozen=True)
class History:
    """Means over consecutive blocks of two figures of the light rows: energy, and Rayleigh quotient."""

    energy: np.ndarray
    rayleigh: np.ndarray
    width: int = 1
    partial: int = 0

    @classmethod
    def empty(cls):
        """Return the history of an empty stream."""
        return cls(np.empty(0), np.empty(0))

    def rescaled(self, factor):
        """Return the history of the same rows multiplied by ``factor``."""
        return replace(self, energy=self.energy * factor**2, rayleigh=self.rayleigh * factor**2)

    def extended(self, energy, rayleigh):
        """Return the history with one more figure for each of some further blocks."""
        kept, width, partial = [self.energy.tolist(), self.rayleigh.tolist()], self.width, self.partial
        for pair in zip(energy, rayleigh, strict=True):
            for series, value in zip(kept, pair, strict=True):
                if partial:
                    series[-1] += (float(value) - series[-1]) / (partial + 1)
                else:
                    series.append(float(value))
            partial = (partial + 1) % width
            if len(kept[0]) == _CAPACITY and partial == 0:
                kept = [np.asarray(series).reshape(-1, 2).mean(axis=1).tolist() for series in kept]
                width *= 2
        return History(np.asarray(kept[0]), np.asarray(kept[1]), width, partial)

    def drift(self):
        """Return the larger of two CUSUM statistics: of the energy, and of falling Rayleigh quotients.

        A Rayleigh quotient rises while the iteration converges, whatever the order; only its falling, when
        rows of another kind arrive, speaks of the order.
        """
        complete = slice(None, -1) if self.partial else slice(None)
        energy, rayleigh = self.energy[complete], self.rayleigh[complete]
        return max(_cusum(energy), _cusum(rayleigh, one_sided=True))

    @property
    def suspicious(self):
        """Whether a random order is as good as excluded."""
        return self.drift() > _SUSPICIOUS


def _cusum(series, one_sided=False):
    """Return the largest excursion of the centred partial sums, in units of their standard deviation.

    The standard deviation comes from successive differences, which a slow trend leaves alone.
    """
    t = len(series)
    if t < 16:
        return 0.0
    sigma = np.sqrt(np.mean(np.diff(series) ** 2) / 2)
    # Where blocks do not differ beyond rounding there is no order to see.
    if not sigma > 1e-9 * np.abs(series).max():
        return 0.0
    sums = np.cumsum(series - series.mean()) / (sigma * np.sqrt(t))
    # Partial sums above zero mean early figures above late ones: the series falls.
    return float(sums.max() if one_sided else np.abs(sums).max())
