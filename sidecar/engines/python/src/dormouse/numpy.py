"""NumPy arrays over the sidecar's memory."""

from typing import Dict, Mapping

import numpy

from .client import Attachment, Sidecar
from .errors import DormouseError
from .layout import Buffer, BufferType, place

_NAMES = {"?": "bool", "u1": "u8", "i1": "i8", "u2": "u16", "i2": "i16", "f2": "f16", "u4": "u32", "i4": "i32",
          "f4": "f32", "u8": "u64", "i8": "i64", "f8": "f64", "c8": "c64", "c16": "c128"}
_DTYPES = {name: numpy.dtype(code) for code, name in _NAMES.items()}
#: NumPy has none of these: their bits come as whole numbers.
_BITS = {"bf16": numpy.dtype("u2"), "f8_e4m3": numpy.dtype("u1"), "f8_e5m2": numpy.dtype("u1"),
         "f8_e8m0": numpy.dtype("u1")}


def save(sidecar: Sidecar, arrays: Mapping[str, numpy.ndarray]) -> Dict[str, numpy.ndarray]:
    """Copies arrays into memory of the sidecar and commits it; returns them as read-only views of that memory."""
    dense = {name: numpy.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()}
    placement = place([(array.nbytes, array.itemsize) for array in dense.values()])
    allocations = [sidecar.allocate(length) for length in placement.allocations]
    buffers = []
    for (name, array), (index, offset) in zip(dense.items(), placement.places):
        buffers.append(Buffer(name, allocations[index].id, offset, array.nbytes, BufferType.WEIGHTS,
                              _name(name, array.dtype), array.shape))
        if array.nbytes:
            with allocations[index].map(writable=True) as whole, whole[offset:offset + array.nbytes] as target:
                target[:] = array.reshape(-1).view(numpy.uint8).data
    sidecar.put(buffers)
    frozen = sidecar.commit()
    return {buffer.name: _over(frozen[buffer.allocation].map(writable=False), buffer) for buffer in buffers}


def restore(attachment: Attachment) -> Dict[str, numpy.ndarray]:
    """The arrays of a snapshot, read-only and without a copy. Wait for the contents first."""
    return {name: _over(attachment.allocation(buffer.allocation), buffer)
            for name, buffer in attachment.buffers.items()}


def _over(memory: memoryview, buffer: Buffer) -> numpy.ndarray:
    dtype = _DTYPES.get(buffer.dtype) or _BITS.get(buffer.dtype)
    if dtype is None:
        raise DormouseError(f"buffer {buffer.name!r} is of type {buffer.dtype}, which NumPy does not have")
    count = buffer.length // dtype.itemsize
    if count == 0:
        return numpy.empty(buffer.shape, dtype)
    return numpy.frombuffer(memory, dtype, count, buffer.offset).reshape(buffer.shape)


def _name(array: str, dtype: numpy.dtype) -> str:
    name = _NAMES.get("?" if dtype == numpy.bool_ else dtype.str[1:])
    if name is None or dtype.byteorder == ">":
        raise DormouseError(f"{array}: arrays of {dtype} cannot be shared; known are {', '.join(sorted(_DTYPES))}")
    return name
