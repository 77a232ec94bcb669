"""An engine's connection to its sidecar."""

import os
import threading
import time
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from . import wire
from .errors import NoSidecar, ProtocolError, Refused
from .layout import Buffer, BufferType
from .memory import Allocation, map_file

PROTOCOL = 1
SOCKET = "/run/dormouse/engine.sock"

_RETRY_SECONDS = 0.005
_BUFFERS_PER_FRAME = 4096


class Mode:
    """How an engine gets its memory."""

    CREATE = "Create"
    ATTACH = "Attach"
    BYPASS = "Bypass"


def socket_path() -> Optional[str]:
    """Where this pod's sidecar listens; None outside of a Dormouse pod."""
    path = os.environ.get("DORMOUSE_SOCKET", "")
    if path:
        return path
    return SOCKET if os.path.exists(SOCKET) else None


class Attachment:
    """Memory that the sidecar fills from a snapshot. Names and places are valid at once, contents after the wait."""

    def __init__(self, buffers: Dict[str, Buffer], allocations: Dict[int, Allocation],
                 files: Dict[str, memoryview]) -> None:
        self.buffers = buffers
        self.files = files
        self._allocations = allocations
        self._views: Dict[int, memoryview] = {}

    def allocation(self, allocation: int) -> memoryview:
        """All bytes of an allocation, read-only."""
        view = self._views.get(allocation)
        if view is None:
            view = self._views[allocation] = self._allocations[allocation].map(writable=False)
        return view

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
        self.memory: str = welcome.get("memory") or "Host"
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
        answer, descriptors = self._request({"type": "ALLOC", "bytes": length, "bufferType": kind}, "ALLOCATED")
        if len(descriptors) != 1 or answer.get("bytes", 0) < length:
            _close(descriptors)
            raise ProtocolError(f"ALLOCATED {answer.get('bytes')} bytes with {len(descriptors)} descriptors, "
                                f"asked for were {length}")
        allocation = Allocation(answer["allocation"], descriptors[0], answer["bytes"])
        self._allocated[allocation.id] = allocation
        return allocation

    def put(self, buffers: Sequence[Buffer]) -> None:
        """Names buffers within allocations of this connection."""
        for start in range(0, len(buffers), _BUFFERS_PER_FRAME):
            some = buffers[start:start + _BUFFERS_PER_FRAME]
            self._request({"type": "PUT_META", "buffers": [buffer.to_json() for buffer in some]}, "DONE")

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
        self._request({"type": "PUT_FILE", "name": name, "length": length}, "DONE", [descriptor])

    def commit(self) -> Dict[int, Allocation]:
        """Freezes all memory; it can be mapped read-only from now on. No view of it may be held."""
        for allocation in self._allocated.values():
            allocation.freeze()
        self._request({"type": "COMMIT"}, "COMMITTED")
        return dict(self._allocated)

    def attach(self) -> Attachment:
        """The memory of a snapshot. Answers at once; contents arrive in the background: :meth:`wait`."""
        buffers: Dict[str, Buffer] = {}
        allocations: Dict[int, Allocation] = {}
        files: Dict[str, memoryview] = {}
        with self._lock:
            message, descriptors = self._request({"type": "ATTACH"}, "ATTACHED")
            while True:
                listed = message.get("allocations") or []
                named = message.get("files") or []
                if len(descriptors) != len(listed) + len(named):
                    _close(descriptors)
                    raise ProtocolError(f"ATTACHED lists {len(listed)} allocations and {len(named)} files and comes "
                                        f"with {len(descriptors)} descriptors")
                for entry, descriptor in zip(listed, descriptors):
                    allocations[entry["allocation"]] = Allocation(entry["allocation"], descriptor, entry["bytes"])
                for entry, descriptor in zip(named, descriptors[len(listed):]):
                    files[entry["name"]] = map_file(descriptor, entry["length"])
                for fields in message.get("buffers") or []:
                    buffers[fields["name"]] = Buffer.from_json(fields)
                if not message.get("more"):
                    break
                message, descriptors = _answer(self._channel, "ATTACHED")
        self._allocated.update(allocations)
        for buffer in buffers.values():
            allocation = allocations.get(buffer.allocation)
            if allocation is None or not 0 <= buffer.offset <= buffer.offset + buffer.length <= allocation.length:
                raise ProtocolError(f"buffer {buffer.name!r} lies outside of the memory that came with it")
        return Attachment(buffers, allocations, files)

    def wait(self, name: Optional[str] = None) -> None:
        """Returns when a buffer or file, or everything that is not optional, is restored and verified.

        :raises Refused: when the snapshot is damaged: nothing of it may be used
        """
        message: wire.Message = {"type": "WAIT"}
        if name is not None:
            message["buffer"] = name
        self._request(message, "WAITED")

    def ready(self, phases: Sequence[Mapping[str, Any]] = (), *, probe: Optional[Mapping[str, str]] = None,
              memory_bytes: int = 0) -> None:
        """Says that the engine serves on its port: the sidecar warms it up and opens the gate.

        :param phases: ``{"name": "weight_load", "state": "Done", "micros": 81234}``, …
        :param probe: ``{"path", "body", "item"}``, a real request for the warmup inference
        """
        message: wire.Message = {"type": "READY", "phases": [dict(phase) for phase in phases],
                                 "memoryBytes": memory_bytes}
        if probe is not None:
            message["probe"] = dict(probe)
        self._request(message, "DONE")

    def abort(self, reason: str) -> None:
        """Gives up a half-written generation; the sidecar releases its memory."""
        self._request({"type": "ABORT", "reason": reason}, "DONE")

    def next_request(self) -> Optional[wire.Message]:
        """After :meth:`ready`: what the sidecar asks next; None when it is gone. Answer with :meth:`answer`."""
        try:
            received = self._channel.receive()
        except (NoSidecar, ProtocolError, OSError):
            # A connection that broke is as gone as one that was closed.
            return None
        if received is None:
            return None
        _close(received[1])
        return received[0]

    def answer(self, message: wire.Message) -> None:
        with self._lock:
            self._channel.send(message)

    def shutdown(self) -> None:
        """Ends the connection, also for a thread that waits in :meth:`next_request`. Memory stays mapped."""
        self._channel.shutdown()

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

    def _request(self, message: wire.Message, expected: str,
                 descriptors: Sequence[int] = ()) -> Tuple[wire.Message, List[int]]:
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
