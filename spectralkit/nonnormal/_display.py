"""A picture of pseudospectra."""

import math

import numpy as np

from spectralkit._core.arrays import power_of_two
from spectralkit._core.checks import check_integer, invalid
from spectralkit.nonnormal._arguments import as_reals, as_square, spectral_norm
from spectralkit.nonnormal._pseudospectrum import pseudospectrum


class PseudospectrumDisplay:
    """
    Pseudospectra drawn as level lines of the smallest singular value of ``zI - A``.

    Make it by ``from_matrix``, then call ``plot``. Inside the line of ε are the eigenvalues of all matrices
    at a distance below ε.

    Parameters
    ----------
    x : array of shape (m,)
        Real parts of the grid.
    y : array of shape (k,)
        Imaginary parts of the grid.
    sigma : array of shape (k, m)
        Smallest singular values of ``zI - A``.
    eigenvalues : array of shape (n,)
        Eigenvalues of A, as computed.
    resolution : float, default=0.0
        Singular values below this are rounding errors, and not drawn.

    Attributes
    ----------
    figure_ : Figure
        The figure, after ``plot``.
    ax_ : Axes
        Its axes.

    See Also
    --------
    pseudospectrum : The singular values.
    perturb_then_diagonalize : Diagonalizes matrices of which this picture warns.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.nonnormal import PseudospectrumDisplay
    >>> display = PseudospectrumDisplay.from_matrix(np.diag(np.ones(15), 1), n_points=40).plot()
    >>> display.sigma.shape
    (40, 40)
    """

    def __init__(self, x, y, sigma, eigenvalues, resolution=0.0):
        self.x = x
        self.y = y
        self.sigma = sigma
        self.eigenvalues = eigenvalues
        self.resolution = resolution

    @classmethod
    def from_matrix(cls, A, *, bounds=None, n_points=120, tol=1e-3):
        """
        Compute the singular values on a grid.

        Parameters
        ----------
        A : array of shape (n, n)
            A real or complex matrix, on the host.
        bounds : sequence of four floats or None, default=None
            Left, right, lower and upper end of the grid; None for a square around the eigenvalues.
        n_points : int, default=120
            Points along a side.
        tol : float, default=1e-3
            Relative error of the singular values.

        Returns
        -------
        PseudospectrumDisplay
            The display, not drawn yet.

        Raises
        ------
        ValueError
            If ``A`` is not square and finite, or the bounds are not in order.
        """
        A, _ = as_square("A", A)
        n_points = check_integer("n_points", n_points, 2)
        eigenvalues = np.linalg.eigvals(A)
        scale = power_of_two(A, np)
        norm = spectral_norm(A / scale) * scale
        if bounds is None:
            if norm > 0.1 * np.finfo(np.float64).max:
                raise ValueError(invalid("A", "of a norm that leaves room for a grid", norm, "Scale it."))
            bounds = _surroundings(eigenvalues, norm)
        bounds = as_reals("bounds", bounds)
        if bounds.shape != (4,) or not np.isfinite(bounds).all() or np.any(bounds[1::2] <= bounds[::2]):
            remedy = "Each end is above its beginning."
            raise ValueError(invalid("bounds", "(left, right, lower, upper)", bounds.tolist(), remedy))
        if np.any(0.5 * bounds[1::2] - 0.5 * bounds[::2] > 0.4 * np.finfo(np.float64).max):
            raise ValueError(invalid("bounds", "of differences that do not overflow", bounds.tolist()))
        x, y = np.linspace(*bounds[:2], n_points), np.linspace(*bounds[2:], n_points)
        sigma = pseudospectrum(A, x + 1j * y[:, None], tol=tol)
        return cls(x, y, sigma, eigenvalues, len(A) * np.finfo(np.float64).eps * norm)

    def plot(self, ax=None, *, levels=None, cmap="viridis"):
        """
        Draw level lines and eigenvalues.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw; None for a new figure.
        levels : sequence of floats or None, default=None
            Values of ε, increasing; None for about eight, at round powers of ten. Two or more get a
            colour bar.
        cmap : str or Colormap, default="viridis"
            Colours of the lines.

        Returns
        -------
        PseudospectrumDisplay
            This display.
        """
        import matplotlib.pyplot as plt
        from matplotlib.ticker import FuncFormatter

        sigma = np.asarray(self.sigma, dtype=np.float64)
        floor = max(self.resolution, 1e-300)
        logarithm = np.log10(np.maximum(sigma, 0.1 * floor))
        if levels is None:
            exponents = _exponents(logarithm, math.log10(floor))
        else:
            levels = as_reals("levels", levels)
            valid = levels.ndim == 1 and levels.size and np.isfinite(levels).all() and levels[0] > 0.0
            if not valid or np.any(np.diff(levels) <= 0.0):
                raise ValueError(invalid("levels", "positive, finite and increasing", levels.tolist()))
            exponents = np.log10(levels)
        if ax is None:
            _, ax = plt.subplots(figsize=(6.2, 5.0), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        if exponents.size:
            lines = ax.contour(self.x, self.y, logarithm, levels=exponents, cmap=cmap, linewidths=1.1)
        ax.plot(self.eigenvalues.real, self.eigenvalues.imag, "k.", markersize=4, label="eigenvalues")
        if self.x[0] < 0.0 < self.x[-1]:
            ax.axvline(0.0, color="0.6", linewidth=0.7, zorder=0)
        ax.set(xlabel="Re z", ylabel="Im z", xlim=self.x[[0, -1]], ylim=self.y[[0, -1]])
        ax.set_aspect("equal", adjustable="box")
        if exponents.size > 1:
            bar = ax.figure.colorbar(lines, ax=ax, label="ε", fraction=0.046, pad=0.04)
            bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda e, _: f"$10^{{{e:g}}}$"))
            bar.set_ticks(exponents)
            for line in bar.ax.collections:
                line.set_linewidth(6.0)
            bar.outline.set_visible(False)
        return self


def _surroundings(eigenvalues, size):
    """Return bounds of a square around the eigenvalues, of the size of the norm where they are one point."""
    parts = eigenvalues.real, eigenvalues.imag
    extent = max(part.max() - part.min() for part in parts)
    half = 0.8 * extent if extent > 1e-3 * size else 1.2 * size
    half = half or 1.0  # the zero matrix
    centres = [0.5 * (part.max() + part.min()) for part in parts]
    return [centre + sign * half for centre in centres for sign in (-1.0, 1.0)]


def _exponents(logarithm, floor):
    """Return about eight levels between the extremes, at round steps."""
    low, high = np.quantile(logarithm, [0.002, 0.9])
    low = max(low, floor)
    steps = (0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
    step = next((s for s in steps if s >= (high - low) / 8.0), steps[-1])
    return step * np.arange(math.ceil(low / step), math.floor(high / step) + 1)
