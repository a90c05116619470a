from . import callbacks as callbacks
from . import datasets as datasets
from . import equivariant as equivariant
from . import gaussian_process as gaussian_process
from . import nonnormal as nonnormal
from . import recovery as recovery
from . import sampling as sampling
from . import statespace as statespace
from . import streaming as streaming
from . import structured as structured
from . import testing as testing
from . import transport as transport
from ._core.parallel import threads as threads

__version__: str
