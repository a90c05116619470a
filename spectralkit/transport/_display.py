"""A picture of a transport plan."""

import numpy as np

from spectralkit._core.checks import check_integer, invalid
from spectralkit._core.namespaces import to_host

# Cells along a side of the image at the most: of larger plans the pixels would show some entries only.
_CELLS = 120


class TransportPlanDisplay:
    """
    A transport plan drawn twice: as lines between two clouds, and as a matrix.

    Make it by ``from_estimator`` or ``from_plan``, then call ``plot``. Clouds of more than two features are
    drawn along their first two principal components. Costs O(n m), and O((n + m) d^2) for the components.

    Parameters
    ----------
    plan : array of shape (n, m)
        Mass moved from each source to each target.
    X : array of shape (n, d)
        Source points.
    Y : array of shape (m, d)
        Target points.

    Attributes
    ----------
    figure_ : Figure
        The figure, after ``plot``.
    ax_ : array of shape (2,)
        Its axes: the clouds, and the plan.

    See Also
    --------
    EntropicTransport : The estimator whose plan this shows.
    sinkhorn : Plans from weights and costs.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.transport import EntropicTransport, TransportPlanDisplay
    >>> X = np.random.default_rng(0).standard_normal((30, 2))
    >>> transport = EntropicTransport(reg=0.1).fit(X, X + 3.0)
    >>> display = TransportPlanDisplay.from_estimator(transport, X, X + 3.0).plot()
    >>> display.ax_.shape
    (2,)
    """

    def __init__(self, plan, X, Y):
        self.plan = plan
        self.X = X
        self.Y = Y

    @classmethod
    def from_estimator(cls, estimator, X, Y):
        """
        Take the plan of a fitted estimator.

        Parameters
        ----------
        estimator : EntropicTransport
            Fitted on ``X`` and ``Y``.
        X : array of shape (n, d)
            First cloud of fit.
        Y : array of shape (m, d)
            Second cloud of fit.

        Returns
        -------
        TransportPlanDisplay
            The display, not drawn yet.
        """
        return cls.from_plan(estimator.plan_, X, Y)

    @classmethod
    def from_plan(cls, plan, X, Y):
        """
        Take a plan, as from `sinkhorn` or `exact_transport`.

        Parameters
        ----------
        plan : array of shape (n, m)
            Mass moved from each source to each target.
        X : array of shape (n, d)
            Source points.
        Y : array of shape (m, d)
            Target points.

        Returns
        -------
        TransportPlanDisplay
            The display, not drawn yet.

        Raises
        ------
        ValueError
            If the shapes do not match, an array is not finite, or the plan is negative.
        """
        return cls(plan, X, Y)._checked()

    def _checked(self):
        plan, X, Y = (np.asarray(_host(array), dtype=np.float64) for array in (self.plan, self.X, self.Y))
        for name, cloud in (("X", X), ("Y", Y)):
            if cloud.ndim != 2 or 0 in cloud.shape:
                constraint = "two-dimensional and not empty"
                raise ValueError(invalid(name, constraint, f"shape {cloud.shape}"))
        if X.shape[1] != Y.shape[1]:
            remedy = "Only clouds of one space can be drawn together."
            raise ValueError(invalid("Y", f"of shape (m, {X.shape[1]})", f"shape {Y.shape}", remedy))
        if plan.shape != (len(X), len(Y)):
            remedy = "Pass the clouds that the plan was computed for."
            raise ValueError(invalid("plan", f"of shape {(len(X), len(Y))}", f"shape {plan.shape}", remedy))
        for name, array in (("plan", plan), ("X", X), ("Y", Y)):
            if not np.isfinite(array).all():
                raise ValueError(invalid(name, "finite", "NaN or infinity"))
        if plan.min() < 0.0:
            raise ValueError(invalid("plan", "non-negative", float(plan.min())))
        return self

    def plot(self, ax=None, *, n_lines=500, sort=True, cmap="Blues"):
        """
        Draw the clouds with the lines along which most mass moves, and the plan beside them.

        Parameters
        ----------
        ax : sequence of two Axes or None, default=None
            Where to draw; None for a new figure.
        n_lines : int, default=500
            Lines at the most, those of the largest entries; the more mass, the darker.
        sort : bool, default=True
            Whether to order the rows and the columns of the image along the first principal axis of both
            clouds together, so that near points are near in the image too.
        cmap : str or Colormap, default="Blues"
            Colours of the image.

        Returns
        -------
        TransportPlanDisplay
            This display.
        """
        import matplotlib.pyplot as plt

        n_lines = check_integer("n_lines", n_lines, 0)
        self._checked()
        if ax is None:
            _, ax = plt.subplots(1, 2, figsize=(10, 4.7), layout="constrained")
        ax = np.asarray(ax, dtype=object)
        if ax.shape != (2,):
            raise ValueError(invalid("ax", "a sequence of two Axes", f"shape {ax.shape}"))
        self.ax_, self.figure_ = ax, ax[0].figure
        plan, X, Y = (np.asarray(_host(array), dtype=np.float64) for array in (self.plan, self.X, self.Y))
        components, shares = _principal_components(X, Y)
        _draw_clouds(ax[0], plan, *_in_the_plane(X, Y, components), n_lines)
        _label_clouds(ax[0], self.X, X.shape[1], shares)
        if sort:
            rows, columns = (np.argsort(cloud @ components[0], kind="stable") for cloud in (X, Y))
            plan = plan[np.ix_(rows, columns)]
        _draw_plan(ax[1], plan, sort, cmap)
        return self


def _host(array):
    return to_host(array) if hasattr(array, "__dlpack__") else array


def _principal_components(X, Y):
    """Return the first two principal axes of both clouds together, and their shares of the variance."""
    together = np.concatenate([X, Y])
    _, scales, axes = np.linalg.svd(together - together.mean(axis=0), full_matrices=False)
    axes = axes[:2] * np.sign(axes[:2][np.arange(len(axes[:2])), np.abs(axes[:2]).argmax(axis=1)])[:, None]
    return axes, scales[:2] ** 2 / max(np.sum(scales**2), np.finfo(np.float64).tiny)


def _in_the_plane(X, Y, components):
    """Return both clouds with two coordinates."""
    if X.shape[1] == 1:  # sources on the line above, targets below
        return np.column_stack([X, np.ones(len(X))]), np.column_stack([Y, np.zeros(len(Y))])
    if X.shape[1] == 2:
        return X, Y
    centre = np.concatenate([X, Y]).mean(axis=0)
    return (X - centre) @ components.T, (Y - centre) @ components.T


def _draw_clouds(ax, plan, X, Y, n_lines):
    from matplotlib.collections import LineCollection

    n_lines = min(n_lines, np.count_nonzero(plan > 0.0))
    if n_lines:
        strongest = np.argpartition(plan, plan.size - n_lines, axis=None)[plan.size - n_lines :]
        strongest = strongest[np.argsort(plan.ravel()[strongest])]
        i, j = np.unravel_index(strongest, plan.shape)
        # The more lines, the fainter each; a few very large entries shall not hide the others.
        mass = plan[i, j] / np.quantile(plan[i, j], 0.9)
        opacity = min(0.6, 6 / np.sqrt(n_lines)) * np.minimum(mass, 1.0)
        segments = np.stack([X[i], Y[j]], axis=1)
        ax.add_collection(LineCollection(segments, colors="0.2", alpha=opacity, linewidths=0.9))
    clouds = (X, plan.sum(axis=1), "C0", "o", "source"), (Y, plan.sum(axis=0), "C1", "s", "target")
    for cloud, mass, colour, marker, label in clouds:
        # Areas show the weights; of many points smaller ones.
        area = np.clip(6000 / (len(X) + len(Y)), 8, 40) * mass / max(mass.mean(), np.finfo(np.float64).tiny)
        style = {"color": colour, "marker": marker, "edgecolors": "white", "linewidths": 0.4}
        ax.scatter(*cloud.T, s=np.clip(area, 0, 200), label=label, zorder=2, **style)


def _label_clouds(ax, X, d, shares):
    if d == 1:
        ax.set(xlabel=_names(X, d)[0], yticks=[0, 1], yticklabels=["target", "source"], ylim=(-0.25, 1.25))
    else:
        names = _names(X, d)
        if d > 2:
            ordinals = ("first", "second")
            names = [
                f"{which} principal component ({share:.0%} of the variance)"
                for which, share in zip(ordinals, shares, strict=False)
            ]
        ax.set(xlabel=names[0], ylabel=names[1])
        ax.set_aspect("equal", adjustable="datalim")
        legend = ax.legend(loc="best", frameon=True, framealpha=0.85, edgecolor="none")
        for handle in legend.legend_handles:
            handle.set_sizes([36])
    ax.set_title("Where the mass goes")
    ax.set_box_aspect(1)


def _names(X, d):
    columns = list(getattr(X, "columns", ()))
    return columns if len(columns) == d else [f"x{feature}" for feature in range(d)]


def _draw_plan(ax, plan, sort, cmap):
    from matplotlib.colors import PowerNorm

    n, m = plan.shape
    cell = -(-max(n, m) // _CELLS)
    plan = np.add.reduceat(plan, np.arange(0, n, cell), axis=0)
    plan = np.add.reduceat(plan, np.arange(0, m, cell), axis=1)
    # Roots of the masses: one large entry would leave the rest white.
    norm = PowerNorm(0.5, vmin=0.0, vmax=max(plan.max(), np.finfo(np.float64).tiny))
    extent = (0, m, n, 0)
    image = ax.imshow(plan, cmap=cmap, norm=norm, aspect="auto", interpolation="nearest", extent=extent)
    ax.set_box_aspect(1)
    order = ", along the first principal axis" if sort else ""
    ax.set(xlabel=f"targets{order}", ylabel=f"sources{order}", title="The plan")
    label = "mass" if cell == 1 else f"mass of {cell} × {cell} entries"
    bar = ax.figure.colorbar(image, ax=ax, label=label, fraction=0.046, pad=0.04)
    bar.formatter.set_powerlimits((-2, 3))
    bar.formatter.set_useMathText(True)
    bar.outline.set_visible(False)
