"""Mode Staged: contents come, and go, through a ring of host memory that the sidecar has no device to copy from.

The engine's memory may be anywhere: :class:`DevicePlace` is a GPU, :class:`HostPlace` this process.
"""

import ctypes
import mmap
import os
import queue
import threading
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .client import Sidecar
from .cuda import Context, Event, Stream
from .errors import DormouseError, ProtocolError, Refused
from .wire import Message

_ZEROS = -1


@dataclass(frozen=True)
class Region:
    """Where an allocation lies: an address on the device, or in this process."""

    id: int
    address: int
    length: int


class HostPlace:
    """Memory of this process. Copies are done when they return."""

    def __init__(self) -> None:
        self._maps: Dict[int, mmap.mmap] = {}

    def allocate(self, length: int) -> int:
        """Zeroed memory."""
        memory = mmap.mmap(-1, length)
        address = address_of(memory)
        self._maps[address] = memory
        return address

    def view(self, address: int) -> memoryview:
        """The bytes of an allocation; keeps it."""
        return memoryview(self._maps[address])

    def free(self, address: int) -> None:
        """What somebody looks at stays until they are done."""
        del self._maps[address]

    def register(self, host: int, length: int) -> None:
        pass

    def unregister(self, host: int) -> None:
        pass

    def copies(self) -> "HostCopies":
        return HostCopies()

    def synchronize(self) -> None:
        pass


class HostCopies:

    def write(self, address: int, host: int, length: int) -> None:
        ctypes.memmove(address, host, length)

    def read(self, host: int, address: int, length: int) -> None:
        ctypes.memmove(host, address, length)

    def mark(self, slot: int) -> None:
        return None

    def landed(self, mark: None) -> None:
        pass

    def synchronize(self) -> None:
        pass

    def close(self) -> None:
        pass


class DevicePlace:
    """Memory of a GPU, allocated by this process. Copies are asynchronous, and ordered."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def allocate(self, length: int) -> int:
        return self._context.allocate(length)

    def free(self, address: int) -> None:
        self._context.free(address)

    def register(self, host: int, length: int) -> None:
        self._context.register(host, length)

    def unregister(self, host: int) -> None:
        self._context.unregister(host)

    def copies(self) -> "DeviceCopies":
        return DeviceCopies(self._context)

    def synchronize(self) -> None:
        self._context.synchronize()


class DeviceCopies:

    def __init__(self, context: Context) -> None:
        self._context = context
        self._stream = Stream(context)
        self._events: Dict[int, Event] = {}

    def write(self, address: int, host: int, length: int) -> None:
        self._stream.to_device(address, host, length)

    def read(self, host: int, address: int, length: int) -> None:
        self._stream.to_host(host, address, length)

    def mark(self, slot: int) -> Event:
        """What has been submitted so far. A slot comes back only after its event was reached: it is free again then."""
        event = self._events.get(slot)
        if event is None:
            event = self._events[slot] = Event(self._context)
        self._stream.record(event)
        return event

    def landed(self, mark: Event) -> None:
        mark.synchronize()

    def synchronize(self) -> None:
        self._stream.synchronize()

    def close(self) -> None:
        self._stream.synchronize()
        for event in self._events.values():
            event.close()
        self._stream.close()


class Ring:
    """The sidecar's ring, mapped and page-locked once."""

    def __init__(self, place: Any, message: Message, descriptors: Sequence[int]) -> None:
        """The descriptors stay the caller's."""
        slots, slot_bytes = message.get("slots"), message.get("slotBytes")
        if len(descriptors) != 1 or not isinstance(slots, int) or not isinstance(slot_bytes, int) or slots < 1 \
                or slot_bytes < 1 or os.fstat(descriptors[0]).st_size < slots * slot_bytes:
            raise ProtocolError(f"a ring of {slots} slots of {slot_bytes} bytes with {len(descriptors)} descriptors")
        self._place = place
        self._slots, self._slot_bytes = slots, slot_bytes
        self._map = mmap.mmap(descriptors[0], slots * slot_bytes)
        self._address = address_of(self._map)
        try:
            place.register(self._address, slots * slot_bytes)
        except BaseException:
            self._map.close()
            raise

    def slot(self, slot: int, length: int) -> int:
        """Its address."""
        if not (0 <= slot < self._slots and 0 <= length <= self._slot_bytes):
            raise ProtocolError(f"slot {slot} with {length} bytes, of a ring of {self._slots} slots of "
                                f"{self._slot_bytes}")
        return self._address + slot * self._slot_bytes

    def close(self) -> None:
        """No copy may be under way."""
        self._place.unregister(self._address)
        self._map.close()


def fill(sidecar: Sidecar, place: Any, regions: Mapping[int, Region]) -> None:
    """Copies a restore from the ring to its places; returns when all of it is there, verified.

    This thread submits copies, another one waits for them and gives their slots back, so that neither waits for the other.

    :raises Refused: when the snapshot is damaged: nothing of it may be used
    """
    message, descriptors = sidecar.request({"type": "RING"}, "RING")
    try:
        ring = Ring(place, message, descriptors)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    try:
        copies = place.copies()
        try:
            _fill(sidecar, ring, copies, regions)
        finally:
            # Memory under a running copy must not be unmapped.
            copies.close()
    finally:
        ring.close()


def _fill(sidecar: Sidecar, ring: Ring, copies: Any, regions: Mapping[int, Region]) -> None:
    submitted: "queue.SimpleQueue[Optional[Tuple[List[int], Any]]]" = queue.SimpleQueue()
    failure: List[BaseException] = []

    def give_back() -> None:
        try:
            for slots, mark in iter(submitted.get, None):
                copies.landed(mark)
                sidecar.answer({"type": "DONE", "slots": slots})
        except (DormouseError, OSError) as e:
            # The sidecar would wait for these slots for ever.
            failure.append(e)
            sidecar.shutdown()

    giver = threading.Thread(target=give_back, name="dormouse-ring", daemon=True)
    giver.start()
    try:
        while True:
            message, descriptors = sidecar.receive()
            for descriptor in descriptors:
                os.close(descriptor)
            if message["type"] == "WAITED":
                return
            if message["type"] == "FAILED":
                raise Refused(message.get("code") or "Unknown", message.get("message") or "no message")
            if message["type"] != "FILLED":
                raise ProtocolError(f"{message['type']} while the ring runs")
            slots = []
            for piece in message.get("pieces") or []:
                slot, address, length = _where(piece, regions)
                # Zeros need no copy: the memory was zeroed when it was allocated.
                if slot != _ZEROS:
                    copies.write(address, ring.slot(slot, length), length)
                    slots.append(slot)
            if slots:
                submitted.put((slots, copies.mark(slots[0])))
    except (DormouseError, OSError) as e:
        if failure:
            raise failure[0] from e
        raise
    finally:
        submitted.put(None)
        giver.join()


class Fetches:
    """Answers a sidecar that saves what only this engine can reach: for :class:`dormouse.companion.Companion`."""

    def __init__(self, place: Any, regions: Mapping[int, Region]) -> None:
        self._place = place
        self._regions = regions
        self._ring: Optional[Ring] = None
        self._copies: Any = None

    def __call__(self, message: Message, descriptors: Sequence[int]) -> Message:
        pieces = message.get("pieces") or []
        if message.get("slots") == 0:
            self.close()
            return {"type": "FILLED", "pieces": []}
        if descriptors:
            self.close()
            self._ring = Ring(self._place, message, descriptors)
            self._copies = self._place.copies()
        if self._ring is None:
            raise ProtocolError("the sidecar asks for bytes before it has sent a ring for them")
        for piece in pieces:
            slot, address, length = _where(piece, self._regions)
            self._copies.read(self._ring.slot(slot, length), address, length)
        self._copies.synchronize()
        return {"type": "FILLED", "pieces": pieces}

    def close(self) -> None:
        if self._copies is not None:
            self._copies.close()
            self._copies = None
        if self._ring is not None:
            self._ring.close()
            self._ring = None


def _where(piece: Any, regions: Mapping[int, Region]) -> Tuple[int, int, int]:
    try:
        slot, offset, length = piece["slot"], piece["offset"], piece["length"]
        region = regions[piece["allocation"]]
        if slot >= _ZEROS and 0 <= offset <= offset + length <= region.length:
            return slot, region.address + offset, length
    except (KeyError, TypeError):
        pass
    raise ProtocolError(f"the sidecar speaks of {piece}, which is no memory of this engine")


def address_of(memory: mmap.mmap) -> int:
    """Valid as long as the mapping is."""
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))
