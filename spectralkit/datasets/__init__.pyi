from ._images import image_patches as image_patches
from ._streams import make_heavy_row_stream as make_heavy_row_stream
from ._streams import make_spiked_stream as make_spiked_stream
