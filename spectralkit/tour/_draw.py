"""The look that all pictures of the tour share."""

import numpy as np

# Okabe and Ito's colours: they stay apart for every kind of colour vision, and in grey.
BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"


def panels(*widths, height=4.2):
    """Return a figure and its panels side by side, with the given widths in inches."""
    # Figure and not pyplot: no window system, no state that outlives the picture.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(sum(widths), height), layout="constrained")
    axes = figure.subplots(1, len(widths), gridspec_kw={"width_ratios": widths}, squeeze=False)[0]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.25, linewidth=0.6)
        ax.set_axisbelow(True)
    return figure, *axes


def tiles(ax, rows, columns):
    """Draw square pictures, one to a row of ``rows``, each scaled to its own largest value."""
    side = round(rows.shape[1] ** 0.5)
    lines = -(-len(rows) // columns)
    sheet = np.full((lines * (side + 1) + 1, columns * (side + 1) + 1), np.nan)
    for index, row in enumerate(rows):
        top, left = (1 + (side + 1) * place for place in divmod(index, columns))
        sheet[top : top + side, left : left + side] = row.reshape(side, side) / np.abs(row).max()
    ax.set_facecolor("#c7d0d9")  # shows where there is no picture, and so frames those that are white
    ax.imshow(np.ma.masked_invalid(sheet), cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
    ax.grid(False)
    ax.set(xticks=[], yticks=[])
    ax.spines[["left", "bottom"]].set_visible(False)
