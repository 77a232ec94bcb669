"""A CUDA driver for the tests: the machine's own where it has a GPU, else the stand-in."""

import functools
import os
import pathlib
import subprocess
import tempfile
import unittest
from typing import Dict, List, Optional

from dormouse import cuda

from sidecar import APP, HOME

_BUILT = HOME / "sidecar/cuda/target/standin/libcuda.so.1"
_SOURCE = HOME / "sidecar/standin/build"


@functools.lru_cache(maxsize=None)
def path() -> Optional[str]:
    """Of the stand-in; None where the real driver is used.

    :raises unittest.SkipTest: where there is neither
    """
    if os.path.exists("/dev/nvidiactl"):
        return None
    if _BUILT.is_file():
        return str(_BUILT)
    folder = pathlib.Path(tempfile.gettempdir()) / f"dormouse-standin-{os.getuid()}"
    if _SOURCE.is_file():
        subprocess.run([str(_SOURCE), str(folder)], check=False, capture_output=True)
    if (folder / "libcuda.so.1").is_file():
        return str(folder / "libcuda.so.1")
    raise unittest.SkipTest("needs a GPU, or gcc for the stand-in")


def environment() -> Dict[str, str]:
    """For a process that uses the driver."""
    return {} if path() is None else {cuda.DRIVER: str(path())}


def jvm() -> List[str]:
    """For a sidecar that does."""
    natives = [f"-Djava.library.path={APP}/native/amd64"]
    return natives if path() is None else [*natives, f"-Ddormouse.cuda.driver={path()}"]


def context() -> cuda.Context:
    """In this process."""
    os.environ.update(environment())
    return cuda.Context()
