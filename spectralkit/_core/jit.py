"""The one place that knows numba's flags, and the exp and log that LLVM can vectorise."""

import warnings

import numba
import numpy as np

# `reassoc` lets the compiler vectorise plain sums; with `nnan` or `ninf` it would also assume that no NaN
# exists, and the finiteness tests on those sums would be optimised away.
SUM_FLAGS = {"reassoc", "contract", "nsz"}  # a set: numba takes no frozenset
# For functions called from compiled code alone: without the wrappers for Python they compile much faster.
INNER = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_warned = False


def njit(**options):
    """Return numba's njit as this library uses it: cached on disk, without the GIL, IEEE division.

    Where neither the package's folder nor the user's cache folder can be written numba refuses to cache;
    then functions compile in memory, and one warning says how to avoid that.
    """
    settings = {"nogil": True, "error_model": "numpy", **options}

    def decorate(function):
        global _warned
        try:
            return numba.njit(cache=True, **settings)(function)
        except RuntimeError as error:
            if "cannot cache function" not in str(error):
                raise
            if not _warned:
                _warned = True
                warnings.warn(
                    "compiled functions cannot be cached here and are compiled again in every process. "
                    "Set the environment variable NUMBA_CACHE_DIR to a folder that can be written.",
                    UserWarning,
                    stacklevel=2,
                )
            return numba.njit(**settings)(function)

    return decorate


# numba has no vector maths library, so exp and log inside a loop call the scalar ones of C, one element at
# a time. The two below are straight-line code without calls and branches, which LLVM vectorises with the
# loop around it. They compute in double precision whatever the argument. Their flags never contain
# `reassoc`: the two-part logarithm of 2 would be summed to one part. Integers stay within 32 bits where
# they meet floats, because only AVX-512 converts 64-bit ones.
_LOG2_E = 1.4426950408889634
_LN2_HIGH = 6.93147180369123816490e-01  # 33 bits: products with an exponent are exact
_LN2_LOW = 1.90821492927058770002e-10


@njit(fastmath={"contract"})
def vexp(x):
    """Return exp(x), vectorisable in a loop, to about 1 ulp.

    0 below -708, where exp(x) < 3.4e-308 is about to be subnormal; inf above 709.78; NaN for NaN.
    """
    a = np.float64(x)
    y = a if a > -708.0 else -708.0  # NaN too: turned to an integer below it would be undefined
    y = y if y < 709.79 else 709.79
    k = np.floor(y * _LOG2_E + 0.5)
    r = (y - k * _LN2_HIGH) - k * _LN2_LOW
    # Taylor's polynomial of degree 13 on |r| <= ln(2)/2: the rest is 4e-18.
    p = 1 / 479001600 + r * (1 / 6227020800)
    p = 1 / 39916800 + r * p
    p = 1 / 3628800 + r * p
    p = 1 / 362880 + r * p
    p = 1 / 40320 + r * p
    p = 1 / 5040 + r * p
    p = 1 / 720 + r * p
    p = 1 / 120 + r * p
    p = 1 / 24 + r * p
    p = 1 / 6 + r * p
    p = 0.5 + r * p
    p = 1.0 + r * p
    p = 1.0 + r * p
    # 2**k as 2 * 2**(k - 1): k reaches 1024, one more than an exponent can.
    result = 2.0 * p * np.int64((np.int64(np.int32(k)) + 1022) << 52).view(np.float64)
    result = 0.0 if a < -708.0 else result
    return result if a == a else a


@njit(fastmath={"contract"})
def vlog(x):
    """Return log(x), vectorisable in a loop, to about 1 ulp, subnormal arguments included.

    -inf for 0, NaN for negative numbers and NaN, inf for inf.
    """
    a = np.float64(x)
    small = a < 2.2250738585072014e-308
    # Times 2**54 a subnormal is normal. numba allows view only on what a constructor has made.
    bits = np.float64(a * 18014398509481984.0 if small else a).view(np.int64)
    # a = 2**k * (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2).
    k = (bits - 0x3FE6A09E667F3BCD) >> 52
    f = np.int64(bits - (k << 52)).view(np.float64) - 1.0
    n = np.float64(np.int32(k) - (np.int32(54) if small else np.int32(0)))
    # The polynomial of fdlibm: log(1 + f) = f - f²/2 + s (f²/2 + R(s²)) with s = f / (2 + f).
    s = f / (2.0 + f)
    z = s * s
    p = 1.531383769920937332e-01 + z * 1.479819860511658591e-01
    p = 1.818357216161805012e-01 + z * p
    p = 2.222219843214978396e-01 + z * p
    p = 2.857142874366239149e-01 + z * p
    p = 3.999999999940941908e-01 + z * p
    p = 6.666666666666735130e-01 + z * p
    half = 0.5 * f * f
    result = n * _LN2_HIGH - ((half - (s * (half + z * p) + n * _LN2_LOW)) - f)
    result = result if a < np.inf else a  # inf and NaN
    result = result if a > 0.0 or a != a else -np.inf
    return result if a >= 0.0 or a != a else np.nan
