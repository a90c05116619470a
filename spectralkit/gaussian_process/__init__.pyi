from ._esprit import EspritResult as EspritResult
from ._esprit import esprit as esprit
from ._fourier_extension import fourier_extension as fourier_extension
from ._kernel import SpectralMixtureKernel as SpectralMixtureKernel
from ._pde import AliasingWarning as AliasingWarning
from ._pde import SpectralMixturePDE as SpectralMixturePDE
from ._sparse_weights import sparse_spectral_weights as sparse_spectral_weights
from ._spectral_mixture import spectral_mixture as spectral_mixture
