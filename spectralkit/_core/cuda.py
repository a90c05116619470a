"""Device source: a ``.cu`` file next to a module, compiled once per device."""

import functools
import pathlib


def load_cuda(module_file, name, **options):
    """Return the ``cupy.RawModule`` of the ``.cu`` file ``name`` next to the Python file ``module_file``.

    Call it as ``load_cuda(__file__, "_method_cuda.cu")`` where a kernel is launched, never at import: CuPy
    can be imported, and RawModule built, on a machine without a device, and both fail only at the launch.
    """
    import cupy

    if not cupy.is_available():
        raise RuntimeError(
            f"{name} needs a CUDA device, and CuPy finds none. "
            "Pass NumPy arrays, or check the driver with nvidia-smi."
        )
    path = pathlib.Path(module_file).with_name(name)
    return _compiled(path, cupy.cuda.runtime.getDevice(), tuple(sorted(options.items())))


@functools.cache
def _compiled(path, device, options):
    import cupy

    return cupy.RawModule(code=path.read_text(encoding="utf-8"), **dict(options))
