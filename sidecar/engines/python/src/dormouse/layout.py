"""Buffers, and where they lie: pure arithmetic."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, NamedTuple, Sequence, Tuple

from .errors import ProtocolError


class BufferType:
    """What a buffer is for. Only weights are saved unless the model's declaration says more."""

    WEIGHTS = "Weights"
    KV_CACHE = "KvCache"
    ACTIVATIONS = "Activations"
    GRADIENTS = "Gradients"
    OPTIMIZER_STATE = "OptimizerState"
    OTHER = "Other"


#: Bytes of an element, by the name that safetensors gives the type, in lower case.
WIDTHS: Dict[str, int] = {
    "bool": 1, "u8": 1, "i8": 1, "f8_e4m3": 1, "f8_e5m2": 1, "f8_e8m0": 1,
    "u16": 2, "i16": 2, "f16": 2, "bf16": 2,
    "u32": 4, "i32": 4, "f32": 4,
    "u64": 8, "i64": 8, "f64": 8, "c64": 8,
    "c128": 16,
}

#: What cudaMalloc promises, and what every vector load wants.
ALIGNMENT = 256

#: A larger block has an allocation of its own.
ALLOCATION_BYTES = 1 << 30


class Buffer(NamedTuple):
    """A named range of an allocation. Two buffers may be the same bytes: tied weights."""

    name: str
    allocation: int
    offset: int
    length: int
    type: str
    dtype: str
    shape: Tuple[int, ...]
    optional: bool = False

    def to_json(self) -> Dict[str, Any]:
        return {"name": self.name, "allocation": self.allocation, "offset": self.offset, "length": self.length,
                "bufferType": self.type, "dtype": self.dtype, "shape": list(self.shape), "optional": self.optional}

    def within(self, length: int) -> bool:
        """Whether it lies inside of an allocation of that length, and its numbers are such."""
        for number in (self.offset, self.length, *self.shape):
            if not isinstance(number, int) or number < 0:
                return False
        return self.offset + self.length <= length

    @staticmethod
    def from_json(fields: Dict[str, Any]) -> "Buffer":
        """:raises ProtocolError: naming what is missing; numbers are checked by :meth:`within`"""
        try:
            return Buffer(fields["name"], fields["allocation"], fields["offset"], fields["length"],
                          fields["bufferType"], fields["dtype"], tuple(fields.get("shape") or ()),
                          bool(fields.get("optional", False)))
        except (KeyError, TypeError) as e:
            raise ProtocolError(f"a buffer lacks {e}") from e


@dataclass(frozen=True)
class Placement:
    """Sizes of allocations, and for each block its (allocation index, offset)."""

    allocations: List[int]
    places: List[Tuple[int, int]]


def place(blocks: Sequence[Tuple[int, int]]) -> Placement:
    """Packs blocks of (bytes, element width) so that an allocation holds one width, each block aligned."""
    sizes: List[int] = []
    open_by_width: Dict[int, int] = {}
    places: List[Tuple[int, int]] = []
    for length, width in blocks:
        index = open_by_width.get(width)
        if index is None or sizes[index] + length > ALLOCATION_BYTES:
            index = len(sizes)
            sizes.append(0)
            open_by_width[width] = index
        places.append((index, sizes[index]))
        # Never an empty allocation, not even one of empty blocks.
        sizes[index] = max(ALIGNMENT, -(-(sizes[index] + length) // ALIGNMENT) * ALIGNMENT)
    return Placement(sizes, places)


def layout_hash(tensors: Iterable[Tuple[str, str, Sequence[int]]]) -> str:
    """Equal for engines whose (name, dtype, shape) are equal, in any order: put it into the compatibility."""
    canonical = sorted([name, dtype, list(shape)] for name, dtype, shape in tensors)
    return hashlib.sha256(json.dumps(canonical, separators=(",", ":")).encode()).hexdigest()[:32]
