"""What a streaming method reports when it is asked."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Spectrum:
    """The top of the spectrum of the (centred) scatter matrix, in the internal units of the stream."""

    values: np.ndarray  # descending, at least as many as components asked for where the space has them
    vectors: Any  # one orthonormal row a value
    n_samples: int
    mean: Any
    frobenius_sq: float
    heavy_rows: Any = None
    error_bound: float | None = None

    @property
    def gap(self):
        """Ratio of the first to the second eigenvalue; NaN where only one is known, 1 for a zero matrix."""
        if self.vectors.shape[1] == 1:
            return np.inf
        if len(self.values) < 2:
            return np.nan
        first, second = float(self.values[0]), float(self.values[1])
        return first / second if second > 0 else (np.inf if first > 0 else 1.0)
