"""Rows cut from photographs."""

import numpy as np

from spectralkit._core.checks import check_integer
from spectralkit._core.random import as_rng


def image_patches(size=8, *, n_samples=None, rng=None):
    """
    Cut square patches from the two photographs that come with scikit-learn.

    A stream of natural data: a temple and a flower, 427 by 640 pixels each, in grey. Every patch is a row.
    Without ``n_samples`` there are about 530 000 overlapping ones (135 MB for size 8).

    Parameters
    ----------
    size : int, default=8
        Side of a patch in pixels, from 1 to 427.
    n_samples : int, optional
        Draw this many patches at random, no two the same, in random order. By default all patches come
        back, image by image and row by row: neighbours are alike, as in a sorted stream.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; unused without ``n_samples``.

    Returns
    -------
    array of shape (n_samples, size**2), float32
        The brightness of the pixels, between 0 and 1.

    Raises
    ------
    ValueError
        If a number is out of range.
    ImportError
        If pillow, which reads the photographs, is not installed.

    See Also
    --------
    sklearn.datasets.load_sample_images : Loads the photographs.

    Examples
    --------
    >>> from spectralkit.datasets import image_patches
    >>> image_patches(8, n_samples=1000, rng=0).shape
    (1000, 64)
    """
    # Reading the photographs is scikit-learn's work, and costs its import.
    from sklearn.datasets import load_sample_images

    size = check_integer("size", size, 1, 427)
    try:
        images = load_sample_images().images
    except ImportError as error:
        raise ImportError("image_patches needs pillow; install it with pip install pillow.") from error
    luminance = np.array([0.299, 0.587, 0.114], np.float32) / 255  # ITU-R BT.601
    grey = np.stack([image @ luminance for image in images])
    patches = np.lib.stride_tricks.sliding_window_view(grey, (size, size), axis=(1, 2))
    places = patches.shape[:3]
    total = int(np.prod(places))
    if n_samples is None:
        return patches.reshape(total, size * size)
    n_samples = check_integer("n_samples", n_samples, 1, total)
    chosen = as_rng(rng).choice(total, size=n_samples, replace=False)
    return patches[np.unravel_index(chosen, places)].reshape(n_samples, size * size)
