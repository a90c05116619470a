"""
The colours of one photograph in another
========================================

The pixels of a photograph are a cloud of points in the space of colours. We transport the cloud of one
photograph to that of another, and paint each picture in the colours of the other.
"""

# %%
# Two clouds of colours
# ---------------------
# Both photographs come with scikit-learn. Of a quarter of a million pixels most have nearly the colour of
# another, so the cube of colours is cut into cells of 16 levels a side, and each cell that occurs is summed
# up by its mean colour. As weights we take the square roots of the numbers of pixels. With the numbers
# themselves all of the wide bright sky would have to find a place in the second picture, which is mostly
# dark.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_images

from spectralkit.transport import EntropicTransport, TransportPlanDisplay, sinkhorn_divergence


def palette(photograph):
    """Return the colours of a photograph, from 0 to 1, and their weights."""
    pixels = photograph.reshape(-1, 3)
    _, cells, counts = np.unique(pixels // 16, axis=0, return_inverse=True, return_counts=True)
    sums = np.stack([np.bincount(cells, weights=channel / 255) for channel in pixels.T], axis=1)
    return sums / counts[:, None], np.sqrt(counts)


temple, flower = load_sample_images().images
temple_colours, temple_weights = palette(temple)
flower_colours, flower_weights = palette(flower)
print(f"{len(temple_colours)} colours of the temple, {len(flower_colours)} of the flower")

# %%
# The plan
# --------
# ``normalize_cost="mean"`` makes ``reg`` a share of the mean cost between both clouds, so that it does not
# depend on the units of colours. The weights need not sum to one: only their ratios matter.

transport = EntropicTransport(reg=0.01, normalize_cost="mean")
transport.fit(temple_colours, flower_colours, temple_weights, flower_weights)
print(f"{transport.n_iter_} iterations, error of the marginals {transport.marginal_error_:.1e}")

TransportPlanDisplay.from_estimator(transport, temple_colours, flower_colours).plot(n_lines=1500)

# %%
# One plan, two maps
# ------------------
# The plan knows some hundred colours; ``transform`` extends it smoothly to every colour there is, so it takes
# all pixels. ``inverse_transform`` reads the same plan from the other side.

temple_in_flower = transport.transform(temple.reshape(-1, 3) / 255).reshape(temple.shape)
flower_in_temple = transport.inverse_transform(flower.reshape(-1, 3) / 255).reshape(flower.shape)

pictures = {
    "temple": temple,
    "flower": flower,
    "temple, in the colours of the flower": temple_in_flower,
    "flower, in the colours of the temple": flower_in_temple,
}
figure, axes = plt.subplots(2, 2, figsize=(9, 6.4), layout="constrained")
for ax, (title, picture) in zip(axes.flat, pictures.items(), strict=True):
    ax.imshow(picture)
    ax.set_title(title, fontsize=11)
    ax.axis("off")

# %%
# Sharp and blunt plans
# ---------------------
# The larger ``reg``, the more targets share in the image of a colour. Contrast is lost little by little,
# until every pixel has the mean colour. The Sinkhorn divergence between the mapped colours and the wanted
# ones, always at the same small regularisation, puts that in numbers.

figure, axes = plt.subplots(1, 4, figsize=(11, 2.4), layout="constrained")
small = temple[::3, ::3] / 255
weights = [counts / counts.sum() for counts in (temple_weights, flower_weights)]
for ax, reg in zip(axes, (0.01, 0.1, 0.5, 2.0), strict=True):
    transport.set_params(reg=reg).fit(temple_colours, flower_colours, *weights)
    mapped = transport.transform(temple_colours)
    divergence = sinkhorn_divergence(mapped, flower_colours, *weights, reg=0.01)
    ax.imshow(transport.transform(small.reshape(-1, 3)).reshape(small.shape))
    ax.set_title(f"reg {reg:g}, divergence {divergence:.4f}", fontsize=10)
    ax.axis("off")
plt.show()
