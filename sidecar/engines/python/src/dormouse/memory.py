"""Memory of the sidecar, mapped here."""

import contextlib
import gc
import mmap
import os
from typing import Iterator, Optional


class Allocation:
    """Host memory that the sidecar owns: a memory file, writable until the commit and read-only after it.

    The mapping lives as long as anything looks at it. What looks at it after :meth:`freeze` must not write: the process
    would end with a segmentation fault.
    """

    def __init__(self, allocation: int, descriptor: Optional[int], length: int, kind: str = "Weights") -> None:
        """Takes over the descriptor; without one, the memory is the engine's own."""
        self.id = allocation
        self.length = length
        self.kind = kind
        self._descriptor: Optional[int] = descriptor
        self._map: Optional[mmap.mmap] = None

    @property
    def descriptor(self) -> int:
        """Stays this object's. Where the memory is a GPU's, what its driver imports."""
        if self._descriptor is None:
            raise ValueError(f"allocation {self.id} is closed, or the engine's own")
        return self._descriptor

    def map(self, writable: bool) -> memoryview:
        """The bytes. Writable only between the allocation and the commit."""
        if self._map is None:
            protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
            self._map = mmap.mmap(self.descriptor, self.length, mmap.MAP_SHARED, protection)
        return memoryview(self._map)

    def freeze(self) -> None:
        """Gives up the writable mapping. Fails while a view of it is held: release it first."""
        if self._map is not None:
            try:
                self._map.close()
            except BufferError as e:
                raise BufferError(f"allocation {self.id} cannot be committed: a view of it is still held") from e
            self._map = None

    def close(self) -> None:
        """Gives back the descriptor. A mapping that somebody looks at stays until they are done."""
        self._map = None
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@contextlib.contextmanager
def making_much() -> Iterator[None]:
    """While ten thousand objects are made that all stay, nobody looks for garbage among them and all that PyTorch has.

    That took up to half of the time.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def map_file(descriptor: int, length: int) -> memoryview:
    """A file of the file set, read-only. Takes over the descriptor."""
    try:
        if length == 0:
            return memoryview(b"")
        return memoryview(mmap.mmap(descriptor, length, mmap.MAP_SHARED, mmap.PROT_READ))
    finally:
        os.close(descriptor)
