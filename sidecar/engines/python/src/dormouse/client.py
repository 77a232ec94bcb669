"""An engine's connection to its sidecar."""

import os
import threading
import time
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from . import wire
from .errors import NoSidecar, ProtocolError, Refused
from .layout import Buffer, BufferType
from .memory import Allocation, making_much, map_file

PROTOCOL = 1
SOCKET = "/run/dormouse/engine.sock"

_RETRY_SECONDS = 0.005
_BUFFERS_PER_FRAME = 4096


class Mode:
    """How an engine gets its memory."""

    CREATE = "Create"
    ATTACH = "Attach"
    BYPASS = "Bypass"


class Memory:
    """Who owns the memory, and where; see docs/engine-protocol.md."""

    HOST = "Host"
    OWNED = "Owned"
    IPC = "Ipc"
    STAGED = "Staged"


#: In these, every allocation comes with a descriptor.
SHARED = (Memory.HOST, Memory.OWNED)


def socket_path() -> Optional[str]:
    """Where this pod's sidecar listens; None outside of a Dormouse pod."""
    path = os.environ.get("DORMOUSE_SOCKET", "")
    if path:
        return path
    return SOCKET if os.path.exists(SOCKET) else None


class Attachment:
    """Memory that the sidecar fills from a snapshot. Names and places are valid at once, contents after the wait."""

    def __init__(self, buffers: Dict[str, Buffer], allocations: Dict[int, Allocation],
                 files: Dict[str, memoryview], host: bool) -> None:
        """:param host: whether the memory is the host's: it is mapped now, and stays when the connection is closed"""
        self.buffers = buffers
        self.files = files
        self.allocations = allocations
        self._views = {i: allocation.map(writable=False) for i, allocation in allocations.items()} if host else {}

    def allocation(self, allocation: int) -> memoryview:
        """All bytes of an allocation in host memory, read-only."""
        return self._views[allocation]

    def __getitem__(self, name: str) -> memoryview:
        """The bytes of a buffer, without a copy."""
        buffer = self.buffers[name]
        return self.allocation(buffer.allocation)[buffer.offset:buffer.offset + buffer.length]


class Sidecar:
    """The connection is the lock on the memory: keep it for as long as the engine serves.

    Requests of several threads are answered one after the other.
    """

    def __init__(self, channel: wire.Channel, welcome: wire.Message) -> None:
        self._channel = channel
        self._lock = threading.RLock()
        self._allocated: Dict[int, Allocation] = {}
        self.mode: str = welcome.get("mode", "")
        self.generation: str = welcome.get("generation") or ""
        self.reason: Optional[str] = welcome.get("reason")
        self.memory: str = welcome.get("memory") or Memory.HOST
        self.device: Optional[str] = welcome.get("device")
        if self.mode not in (Mode.CREATE, Mode.ATTACH, Mode.BYPASS):
            raise ProtocolError(f"WELCOME has the unknown mode {self.mode!r}")

    @staticmethod
    def connect(engine: str, version: str, compatibility: Mapping[str, str], *, path: Optional[str] = None,
                timeout: float = 60.0, memory: Sequence[str] = ("Host",)) -> "Sidecar":
        """Connects and says hello, trying again until the sidecar listens and is free of an earlier engine.

        :param compatibility: what must be equal for a snapshot to be usable
        :param timeout: seconds for all of it
        :param memory: the modes of memory that this engine can use
        :raises NoSidecar: when it does not answer in time
        :raises Refused: when it does not want this engine
        """
        path = path or socket_path() or SOCKET
        deadline = time.monotonic() + timeout
        channel = _connect(path, deadline, timeout)
        try:
            channel.timeout(max(_RETRY_SECONDS, deadline - time.monotonic()))
            hello = {"type": "HELLO", "protocol": PROTOCOL, "engine": engine, "engineVersion": version,
                     "compatibility": dict(compatibility)}
            if list(memory) != ["Host"]:
                hello["memory"] = list(memory)
            channel.send(hello)
            try:
                welcome, _ = _answer(channel, "WELCOME")
            except TimeoutError as e:
                raise NoSidecar(f"the sidecar at {path} did not answer within {timeout:g} s; it serves one engine at a "
                                "time: is another one connected?") from e
            channel.timeout(None)
            return Sidecar(channel, welcome)
        except BaseException:
            channel.close()
            raise

    def allocate(self, length: int, kind: str = BufferType.WEIGHTS) -> Allocation:
        """Zeroed memory to be filled until :meth:`commit`; at least ``length`` bytes, more than 0."""
        return self.allocated({"type": "ALLOC", "bytes": length, "bufferType": kind}, length)

    def allocated(self, message: wire.Message, length: int) -> Allocation:
        """The allocation that a request is answered with."""
        answer, descriptors = self.request(message, "ALLOCATED")
        if (len(descriptors) != (self.memory in SHARED) or not isinstance(answer.get("allocation"), int)
                or not isinstance(answer.get("bytes"), int) or answer["bytes"] < length):
            _close(descriptors)
            raise ProtocolError(f"ALLOCATED {answer.get('bytes')} bytes with {len(descriptors)} descriptors, "
                                f"asked for were {length}")
        allocation = self._allocation(answer, descriptors[0] if descriptors else None)
        self._allocated[allocation.id] = allocation
        return allocation

    def allocation(self, allocation: int) -> Allocation:
        """What was allocated or attached on this connection, by its id."""
        return self._allocated[allocation]

    def put(self, buffers: Sequence[Buffer]) -> None:
        """Names buffers within allocations of this connection."""
        for start in range(0, len(buffers), _BUFFERS_PER_FRAME):
            some = buffers[start:start + _BUFFERS_PER_FRAME]
            self.request({"type": "PUT_META", "buffers": [buffer.to_json() for buffer in some]}, "DONE")

    def put_file(self, name: str, content: Union[bytes, str, "os.PathLike[str]"]) -> None:
        """Adds bytes, or the file at a path, to the snapshot's file set. The sidecar copies it before this returns."""
        if isinstance(content, bytes):
            with os.fdopen(os.memfd_create("dormouse-file", os.MFD_CLOEXEC), "wb") as file:
                file.write(content)
                file.flush()
                self._put_file(name, file.fileno(), len(content))
        else:
            with open(content, "rb") as file:
                self._put_file(name, file.fileno(), os.fstat(file.fileno()).st_size)

    def _put_file(self, name: str, descriptor: int, length: int) -> None:
        self.request({"type": "PUT_FILE", "name": name, "length": length}, "DONE", [descriptor])

    def commit(self) -> Dict[int, Allocation]:
        """Freezes all memory; it can be mapped read-only from now on. No view of it may be held."""
        for allocation in self._allocated.values():
            allocation.freeze()
        self.request({"type": "COMMIT"}, "COMMITTED")
        return dict(self._allocated)

    def attach(self) -> Attachment:
        """The memory of a snapshot. Answers at once; contents arrive in the background: :meth:`wait`."""
        buffers: Dict[str, Buffer] = {}
        allocations: Dict[int, Allocation] = {}
        files: Dict[str, memoryview] = {}
        with self._lock, making_much():
            message, descriptors = self.request({"type": "ATTACH"}, "ATTACHED")
            while True:
                try:
                    self._attached(message, descriptors, buffers, allocations, files)
                except (KeyError, TypeError, ValueError, OverflowError) as e:
                    raise ProtocolError(f"ATTACHED cannot be understood: {type(e).__name__}: {e}") from e
                finally:
                    # Also those that came before an error: close() gives them back.
                    self._allocated.update(allocations)
                    _close(descriptors)
                if not message.get("more"):
                    break
                message, descriptors = _answer(self._channel, "ATTACHED")
        for buffer in buffers.values():
            allocation = allocations.get(buffer.allocation)
            if allocation is None or not buffer.within(allocation.length):
                raise ProtocolError(f"buffer {buffer.name!r} lies outside of the memory that came with it")
        return Attachment(buffers, allocations, files, self.memory == Memory.HOST)

    def _attached(self, message: wire.Message, descriptors: List[int], buffers: Dict[str, Buffer],
                  allocations: Dict[int, Allocation], files: Dict[str, memoryview]) -> None:
        """One frame. Takes those descriptors out of the list that it has found an owner for."""
        listed = message.get("allocations") or []
        named = message.get("files") or []
        handed = len(listed) if self.memory in SHARED else 0
        if len(descriptors) != handed + len(named):
            raise ProtocolError(f"ATTACHED lists {len(listed)} allocations and {len(named)} files and comes "
                                f"with {len(descriptors)} descriptors")
        for entry in listed:
            if entry["allocation"] in allocations:
                raise ProtocolError(f"ATTACHED lists allocation {entry['allocation']} twice")
            allocations[entry["allocation"]] = self._allocation(entry, descriptors.pop(0) if handed else None)
        for entry in named:
            name, length = entry["name"], entry["length"]
            files[name] = map_file(descriptors.pop(0), length)
        for fields in message.get("buffers") or []:
            buffers[fields["name"]] = Buffer.from_json(fields)

    def _allocation(self, entry: Mapping[str, Any], descriptor: Optional[int]) -> Allocation:
        try:
            if self.memory == Memory.HOST and descriptor is not None:
                # A mapping beyond the end of its file would end the process at the first look.
                length = os.fstat(descriptor).st_size
                if length < entry["bytes"]:
                    raise ProtocolError(f"allocation {entry['allocation']} of {entry['bytes']} bytes comes as a file "
                                        f"of {length}")
            return Allocation(entry["allocation"], descriptor, entry["bytes"],
                              entry.get("bufferType") or BufferType.WEIGHTS)
        except BaseException:
            _close([] if descriptor is None else [descriptor])
            raise

    def wait(self, name: Optional[str] = None) -> None:
        """Returns when a buffer or file, or everything that is not optional, is restored and verified.

        :raises Refused: when the snapshot is damaged: nothing of it may be used
        """
        message: wire.Message = {"type": "WAIT"}
        if name is not None:
            message["buffer"] = name
        self.request(message, "WAITED")

    def ready(self, phases: Sequence[Mapping[str, Any]] = (), *, probe: Optional[Mapping[str, str]] = None,
              memory_bytes: int = 0) -> None:
        """Says that the engine serves on its port: the sidecar warms it up and opens the gate.

        Without :meth:`attach` before it, the engine serves from what it has and takes nothing of what the sidecar offers.

        :param phases: ``{"name": "weight_load", "state": "Done", "micros": 81234}``, …
        :param probe: ``{"path", "body", "item"}``, a real request for the warmup inference
        """
        message: wire.Message = {"type": "READY", "phases": [dict(phase) for phase in phases],
                                 "memoryBytes": memory_bytes}
        if probe is not None:
            message["probe"] = dict(probe)
        self.request(message, "DONE")

    def abort(self, reason: str) -> None:
        """Gives up a half-written generation, or what is being restored; the sidecar releases its memory.

        After it, :meth:`ready` says that the engine serves from memory of its own.
        """
        self.request({"type": "ABORT", "reason": reason}, "DONE")

    def receive(self) -> Tuple[wire.Message, List[int]]:
        """What the sidecar says next without having been asked, and its descriptors, which are the caller's.

        :raises NoSidecar: when it is gone
        """
        received = self._channel.receive()
        if received is None:
            raise NoSidecar("the sidecar closed the connection")
        return received

    def answer(self, message: wire.Message) -> None:
        """Says something that is not answered."""
        with self._lock:
            self._channel.send(message)

    def shutdown(self) -> None:
        """Ends the connection, also for a thread that waits in :meth:`receive`. Memory stays mapped."""
        self._channel.shutdown()

    def leave(self, timeout: float = 10.0) -> bool:
        """Ends this side and waits for the sidecar to end its own: it uses no memory of this engine any more.

        :return: whether it did, within so many seconds
        """
        return self._channel.leave(timeout)

    def close(self) -> None:
        """Leaves. What is mapped stays for whoever looks at it."""
        self._channel.close()
        for allocation in self._allocated.values():
            allocation.close()
        self._allocated.clear()

    def __enter__(self) -> "Sidecar":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def request(self, message: wire.Message, expected: str,
                descriptors: Sequence[int] = ()) -> Tuple[wire.Message, List[int]]:
        """Says something and returns the answer, which must be of the type expected, and its descriptors.

        :raises Refused: when the answer is FAILED
        """
        with self._lock:
            self._channel.send(message, descriptors)
            return _answer(self._channel, expected)


def _connect(path: str, deadline: float, timeout: float) -> wire.Channel:
    while True:
        try:
            return wire.connect(path)
        except (FileNotFoundError, ConnectionRefusedError) as e:
            if time.monotonic() > deadline:
                raise NoSidecar(f"no sidecar listens at {path} within {timeout:g} s") from e
        time.sleep(_RETRY_SECONDS)


def _answer(channel: wire.Channel, expected: str) -> Tuple[wire.Message, List[int]]:
    received = channel.receive()
    if received is None:
        raise NoSidecar("the sidecar closed the connection")
    message, descriptors = received
    if message["type"] == expected:
        return message, descriptors
    _close(descriptors)
    if message["type"] == "FAILED":
        raise Refused(message.get("code") or "Unknown", message.get("message") or "no message")
    raise ProtocolError(f"the sidecar answered {message['type']}, expected was {expected}")


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
