"""Draw the README's picture: ``python docs/draw_picture.py``."""

import pathlib

from spectralkit.tour.streaming import photograph_components

picture = pathlib.Path(__file__).parent / "_static" / "photograph_patches.png"
photograph_components().figure.savefig(picture, dpi=120, bbox_inches="tight")
