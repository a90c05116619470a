from ._exact import ExactTransportResult as ExactTransportResult
from ._exact import exact_transport as exact_transport
from ._sinkhorn import SinkhornResult as SinkhornResult
from ._sinkhorn import sinkhorn as sinkhorn
from ._sinkhorn import sinkhorn_divergence as sinkhorn_divergence
