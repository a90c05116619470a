"""
The colours of one photograph in another
========================================

The pixels of a photograph are a cloud of points in the space of colours. We transport the cloud of one
photograph to that of another, and paint each picture with the colours of the other.
"""

# %%
# Two clouds of colours
# ---------------------
# Both photographs come with scikit-learn. Of a quarter of a million pixels most repeat the colour of their
# neighbours, so each cloud is summed up by the centres of 500 clusters, weighted by how many pixels they
# stand for.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import MiniBatchKMeans
from sklearn.datasets import load_sample_images

from spectralkit.transport import EntropicTransport, TransportPlanDisplay

temple, flower = (photograph / 255 for photograph in load_sample_images().images)


def palette(photograph):
    """Return typical colours of a photograph, and the number of pixels that each stands for."""
    pixels = photograph.reshape(-1, 3)
    clusters = MiniBatchKMeans(500, batch_size=4096, max_iter=20, n_init=1, random_state=0).fit(pixels)
    return clusters.cluster_centers_, np.bincount(clusters.predict(pixels), minlength=500)


temple_colours, temple_counts = palette(temple)
flower_colours, flower_counts = palette(flower)

# %%
# The plan
# --------
# ``normalize_cost="mean"`` makes ``reg`` a share of the mean squared distance between the clouds, so that it
# does not depend on the units of colours. The weights are counts: only their ratios matter.

transport = EntropicTransport(reg=0.01, normalize_cost="mean")
transport.fit(temple_colours, flower_colours, sample_weight=temple_counts, target_weight=flower_counts)
print(f"mean squared distance {transport.cost_:.3f}, {transport.n_iter_} iterations")

TransportPlanDisplay.from_estimator(transport, temple_colours, flower_colours).plot()

# %%
# One plan, two maps
# ------------------
# The plan was fitted on 500 colours; ``transform`` extends it smoothly to every colour there is, so it takes
# all pixels. ``inverse_transform`` reads the same plan from the other side.

temple_as_flower = transport.transform(temple.reshape(-1, 3)).reshape(temple.shape)
flower_as_temple = transport.inverse_transform(flower.reshape(-1, 3)).reshape(flower.shape)

pictures = {
    "temple": temple,
    "flower": flower,
    "temple, colours of the flower": temple_as_flower,
    "flower, colours of the temple": flower_as_temple,
}
figure, axes = plt.subplots(2, 2, figsize=(9, 6.4), layout="constrained")
for ax, (title, picture) in zip(axes.flat, pictures.items(), strict=True):
    ax.imshow(picture)
    ax.set_title(title, fontsize=11)
    ax.axis("off")

# %%
# Sharp and blunt plans
# ---------------------
# The larger ``reg``, the more targets share in the image of a colour. Contrast is lost little by little, and
# in the end every pixel has the mean colour. The score says so too: it is minus the Sinkhorn divergence
# between the mapped colours and the wanted ones.

figure, axes = plt.subplots(1, 4, figsize=(11, 2.4), layout="constrained")
for ax, reg in zip(axes, (0.001, 0.03, 0.3, 3.0), strict=True):
    transport.set_params(reg=reg)
    transport.fit(temple_colours, flower_colours, sample_weight=temple_counts, target_weight=flower_counts)
    small = temple[::3, ::3]
    ax.imshow(transport.transform(small.reshape(-1, 3)).reshape(small.shape))
    score = transport.score(temple_colours, sample_weight=temple_counts)
    ax.set_title(f"reg = {reg:g}, score {score:.4f}", fontsize=10)
    ax.axis("off")
plt.show()
