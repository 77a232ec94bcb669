"""An engine's memory where the sidecar's mode is not Host: one way to allocate, commit and attach for all of them."""

import base64
from typing import Any, Dict, List, Mapping, Optional, Union

from .client import Attachment, Memory, Sidecar
from .companion import Request
from .cuda import Context, DeviceBytes, Mapping as DeviceMapping
from .errors import DormouseError
from .layout import Buffer, BufferType
from .ring import DevicePlace, Fetches, HostPlace, Region, fill

#: What to put into HELLO for an engine on a GPU, and for one that keeps its memory in its own process.
ON_DEVICE = (Memory.OWNED, Memory.IPC, Memory.STAGED)
IN_PROCESS = (Memory.HOST, Memory.STAGED)


class DeviceMemory:
    """Memory of one connection. Close the connection before this, and this only when nothing uses the memory any more."""

    def __init__(self, sidecar: Sidecar, place: Union[DevicePlace, HostPlace], context: Optional[Context]) -> None:
        self._sidecar = sidecar
        self._place = place
        self._context = context
        self._mappings: List[DeviceMapping] = []
        self._own: List[int] = []
        self.regions: Dict[int, Region] = {}

    @staticmethod
    def of(sidecar: Sidecar, context: Optional[Context] = None) -> "DeviceMemory":
        """Memory for the mode that the sidecar has chosen; on the GPU that it uses, or in this process.

        :param context: of the device that this engine uses; without one, only Staged works, with host memory
        """
        if sidecar.memory == Memory.HOST:
            raise DormouseError("memory of mode Host is mapped, not copied: Sidecar.allocate() and attach() do that")
        if context is None and sidecar.memory != Memory.STAGED:
            raise DormouseError(f"memory of mode {sidecar.memory} is a GPU's: a context of it is needed")
        if context is not None and sidecar.device is not None and sidecar.device != context.uuid:
            raise DormouseError(f"the sidecar uses {sidecar.device} and this engine {context.uuid}: both containers of "
                                "the pod need the same resource claim")
        return DeviceMemory(sidecar, HostPlace() if context is None else DevicePlace(context), context)

    def allocate(self, length: int, kind: str = BufferType.WEIGHTS) -> Region:
        """Zeroed memory to be filled until :meth:`commit`; at least ``length`` bytes, more than 0."""
        if self._sidecar.memory == Memory.OWNED:
            allocation = self._sidecar.allocate(length, kind)
            mapping = self._map([(allocation.descriptor, allocation.length)], writable=True)
            region = Region(allocation.id, mapping.address, allocation.length)
        else:
            address = self._allocate(length)
            if self._sidecar.memory == Memory.IPC:
                allocation = self._sidecar.allocated(self._export(address, length, kind), length)
            else:
                allocation = self._sidecar.allocate(length, kind)
            region = Region(allocation.id, address, length)
        self.regions[region.id] = region
        return region

    def commit(self) -> None:
        """Freezes all memory; addresses stay. Waits for the device: nothing may be written after this."""
        self._place.synchronize()
        for mapping in self._mappings:
            mapping.freeze()
        self._sidecar.commit()

    def attach(self) -> Attachment:
        """The memory of a snapshot. :meth:`Sidecar.wait` says when contents are there; through a ring they are at once."""
        attachment = self._sidecar.attach()
        allocations = list(attachment.allocations.values())
        if self._sidecar.memory == Memory.OWNED and allocations:
            mapping = self._map([(allocation.descriptor, allocation.length) for allocation in allocations],
                                writable=False)
            at = mapping.address
            for allocation in allocations:
                self.regions[allocation.id] = Region(allocation.id, at, allocation.length)
                at += allocation.length
            return attachment
        for allocation in allocations:
            address = self._allocate(allocation.length)
            self.regions[allocation.id] = Region(allocation.id, address, allocation.length)
            if self._sidecar.memory == Memory.IPC:
                self._sidecar.request({**self._export(address, allocation.length, allocation.kind),
                                       "allocation": allocation.id}, "DONE")
        if self._sidecar.memory == Memory.STAGED:
            fill(self._sidecar, self._place, self.regions)
        return attachment

    def bytes_of(self, buffer: Buffer) -> Union[DeviceBytes, memoryview]:
        """A buffer's bytes, without a copy: what ``torch.as_tensor`` takes on a device, or a view in this process."""
        return self.range(buffer.allocation, buffer.offset, buffer.length)

    def range(self, allocation: int, offset: int, length: int) -> Union[DeviceBytes, memoryview]:
        region = self.regions[allocation]
        if not 0 <= offset <= offset + length <= region.length:
            raise DormouseError(f"{length} bytes at {offset} of allocation {allocation}, which has {region.length}")
        if isinstance(self._place, HostPlace):
            return self._place.view(region.address)[offset:offset + length]
        return DeviceBytes(region.address + offset, length, owner=self)

    @property
    def requests(self) -> Mapping[str, Request]:
        """For the companion: what the sidecar may ask of memory that only this engine can reach."""
        return {"FETCH": Fetches(self._place, self.regions)} if self._sidecar.memory == Memory.STAGED else {}

    def close(self) -> None:
        """Unmaps and frees. No work on the device may use the memory; in mode Ipc, :meth:`Sidecar.leave` comes first."""
        for mapping in self._mappings:
            mapping.close()
        for address in self._own:
            self._place.free(address)
        self._mappings.clear()
        self._own.clear()
        self.regions.clear()

    def _allocate(self, length: int) -> int:
        address = self._place.allocate(length)
        self._own.append(address)
        return address

    def _map(self, blocks: Any, writable: bool) -> DeviceMapping:
        if self._context is None:
            raise DormouseError("no device")
        mapping = DeviceMapping(self._context, blocks, writable)
        self._mappings.append(mapping)
        return mapping

    def _export(self, address: int, length: int, kind: str) -> Dict[str, Any]:
        if self._context is None:
            raise DormouseError("no device")
        handle, offset = self._context.ipc_handle(address)
        return {"type": "EXPORT", "bytes": length, "bufferType": kind, "handle": base64.b64encode(handle).decode(),
                "offset": offset}
