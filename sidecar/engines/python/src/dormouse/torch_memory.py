"""Where the bytes of tensors are, mode by mode: behind :mod:`dormouse.torch`."""

from typing import Mapping, Optional, Tuple, Union

import torch

from .client import Attachment, Memory, Sidecar
from .companion import Request
from .cuda import Context
from .device import IN_PROCESS, ON_DEVICE, DeviceMemory
from .errors import DormouseError


class HostTensors:
    """The sidecar's memory, mapped. Where the module is on a GPU, it is copied there once more."""

    #: Whether the sidecar still has it when this engine is gone.
    shared = True
    device = "cpu"

    def __init__(self, sidecar: Sidecar, context: Optional[Context] = None) -> None:
        self._sidecar = sidecar
        self.context = context
        self.requests: Mapping[str, Request] = {}
        self._attachment: Optional[Attachment] = None

    def allocate(self, length: int) -> int:
        return self._sidecar.allocate(length).id

    def write(self, allocation: int, offset: int, block: torch.Tensor) -> None:
        """Bytes to an offset. Until the commit."""
        with self._sidecar.allocation(allocation).map(writable=True) as whole, \
                whole[offset:offset + block.numel()] as target:
            torch.frombuffer(target, dtype=torch.uint8).copy_(block)

    def commit(self) -> None:
        self._sidecar.commit()

    def attach(self) -> Attachment:
        self._attachment = self._sidecar.attach()
        return self._attachment

    def typed(self, allocation: int, offset: int, dtype: torch.dtype, count: int) -> torch.Tensor:
        """So many elements at an offset, without a copy. After the commit, or from what was attached."""
        if self._attachment is not None:
            memory = self._attachment.allocation(allocation)
        else:
            memory = self._sidecar.allocation(allocation).map(writable=False)
        return torch.frombuffer(memory, dtype=dtype, count=count, offset=offset)


class DeviceTensors:
    """Memory of a GPU, or of this process when the contents come through a ring."""

    def __init__(self, sidecar: Sidecar, context: Optional[Context]) -> None:
        self.memory = DeviceMemory.of(sidecar, context)
        self.context = context
        self.requests = self.memory.requests
        self.shared = sidecar.memory == Memory.OWNED
        self.device = "cpu" if context is None else f"cuda:{context.ordinal}"

    def allocate(self, length: int) -> int:
        return self.memory.allocate(length).id

    def write(self, allocation: int, offset: int, block: torch.Tensor) -> None:
        self._bytes(allocation, offset, block.numel()).copy_(block)

    def commit(self) -> None:
        self.memory.commit()

    def attach(self) -> Attachment:
        return self.memory.attach()

    def typed(self, allocation: int, offset: int, dtype: torch.dtype, count: int) -> torch.Tensor:
        return self._bytes(allocation, offset, count * torch.empty(0, dtype=dtype).element_size()).view(dtype)

    def _bytes(self, allocation: int, offset: int, length: int) -> torch.Tensor:
        what = self.memory.range(allocation, offset, length)
        if isinstance(what, memoryview):
            return torch.frombuffer(what, dtype=torch.uint8)
        return torch.as_tensor(what, device=self.device)


Tensors = Union[HostTensors, DeviceTensors]


def modes(device: torch.device) -> Tuple[str, ...]:
    """What to put into HELLO for a module on that device, best first."""
    return IN_PROCESS if device.type == "cpu" else (*ON_DEVICE, Memory.HOST)


def context_of(device: torch.device) -> Optional[Context]:
    """None for the host."""
    if device.type == "cpu":
        return None
    if device.type != "cuda":
        raise DormouseError(f"tensors on {device} cannot be shared; cpu and cuda can")
    return Context(torch.cuda.current_device() if device.index is None else device.index)


def tensors_of(sidecar: Sidecar, context: Optional[Context]) -> Tensors:
    """For the mode that the sidecar has chosen."""
    return HostTensors(sidecar, context) if sidecar.memory == Memory.HOST else DeviceTensors(sidecar, context)
