from ._images import image_patches as image_patches
from ._recovery import IRSChannel as IRSChannel
from ._recovery import KroneckerProblem as KroneckerProblem
from ._recovery import make_irs_mimo as make_irs_mimo
from ._recovery import make_kronecker_sparse as make_kronecker_sparse
from ._shapes import make_rotated_shapes as make_rotated_shapes
from ._streams import make_heavy_row_stream as make_heavy_row_stream
from ._streams import make_spiked_stream as make_spiked_stream
