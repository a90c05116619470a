from ._estimator import KroneckerSBL as KroneckerSBL
from ._omp import KroneckerOMPResult as KroneckerOMPResult
from ._omp import kronecker_omp as kronecker_omp
from ._posterior import KroneckerPosterior as KroneckerPosterior
from ._posterior import kronecker_posterior as kronecker_posterior
from ._products import kronecker_matvec as kronecker_matvec
from ._sbl import KroneckerSBLResult as KroneckerSBLResult
from ._sbl import kronecker_sbl as kronecker_sbl
