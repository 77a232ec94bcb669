"""Frames on the unix socket: a big-endian u32 length, then JSON; descriptors travel with the first byte."""

import array
import json
import os
import socket
import struct
from typing import Any, Dict, List, Optional, Sequence, Tuple

from .errors import NoSidecar, ProtocolError

MAX_FRAME = 16 << 20
MAX_DESCRIPTORS = 253

_LENGTH = struct.Struct(">I")
_INT = struct.calcsize("i")
_RECEIVE = 1 << 20

Message = Dict[str, Any]


class Channel:
    """One connected socket. Not for several threads at once; after an error it is good only for closing."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    def fileno(self) -> int:
        return self._socket.fileno()

    def timeout(self, seconds: Optional[float]) -> None:
        """Bounds every later send and receive; None waits for ever."""
        self._socket.settimeout(seconds)

    def send(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        """Sends a message. The descriptors stay the caller's."""
        if len(descriptors) > MAX_DESCRIPTORS:
            raise ValueError(f"{len(descriptors)} descriptors in one frame; at most {MAX_DESCRIPTORS} are allowed")
        if descriptors:
            message = {**message, "fds": len(descriptors)}
        body = json.dumps(message, separators=(",", ":")).encode()
        if len(body) > MAX_FRAME:
            raise ValueError(f"{message['type']} has {len(body)} bytes; a frame holds at most {MAX_FRAME}")
        frame = memoryview(_LENGTH.pack(len(body)) + body)
        try:
            control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
            sent = self._socket.sendmsg([frame], control)
            if sent < len(frame):  # Nothing more to a peer that has all and has left would be an error.
                self._socket.sendall(frame[sent:])
        except (BrokenPipeError, ConnectionResetError) as e:
            raise NoSidecar("the sidecar closed the connection") from e

    def receive(self) -> Optional[Tuple[Message, List[int]]]:
        """The next message and its descriptors, which are the caller's from now on; None at the end of the stream."""
        descriptors: List[int] = []
        try:
            header = self._read(_LENGTH.size, descriptors, may_end=True)
            if not header:
                return None
            (length,) = _LENGTH.unpack(header)
            if not 1 <= length <= MAX_FRAME:
                raise ProtocolError(f"a frame of {length} bytes; 1 to {MAX_FRAME} are allowed")
            message = _decode(self._read(length, descriptors))
            announced = message.get("fds") or 0
            if announced != len(descriptors):
                raise ProtocolError(
                    f"{message['type']} announces {announced} descriptors and comes with {len(descriptors)}")
            return message, descriptors
        except BaseException:
            _close_all(descriptors)
            raise

    def _read(self, length: int, descriptors: List[int], may_end: bool = False) -> bytearray:
        """Never asks for more than the frame still has: the kernel would hand over the next frame's descriptors too."""
        data = bytearray()
        room = socket.CMSG_SPACE(MAX_DESCRIPTORS * _INT)
        while len(data) < length:
            try:
                part, control, flags, _ = self._socket.recvmsg(
                    min(length - len(data), _RECEIVE), room, socket.MSG_CMSG_CLOEXEC)
            except ConnectionResetError as e:
                raise NoSidecar("the sidecar closed the connection") from e
            for level, kind, content in control:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    received = array.array("i")
                    received.frombytes(content[: len(content) - len(content) % _INT])
                    descriptors.extend(received)
            if flags & socket.MSG_CTRUNC:
                raise ProtocolError("a control message was cut short: descriptors are lost")
            if not part:
                if may_end and not data:
                    return data
                raise ProtocolError(f"the connection ended after {len(data)} of {length} bytes of a frame")
            data += part
        return data

    def shutdown(self) -> None:
        """Wakes a thread that receives; the other side sees the end of the stream."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # It is gone already.

    def leave(self, seconds: float) -> bool:
        """Says nothing more, and waits for the other side to close; what it still says is dropped, descriptors too."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
            self._socket.settimeout(seconds)
            while self._socket.recv(_RECEIVE):
                pass
            return True
        except TimeoutError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        self._socket.close()


def connect(path: str) -> Channel:
    """Raises OSError when nobody listens there."""
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        connected.connect(path)
    except BaseException:
        connected.close()
        raise
    return Channel(connected)


def _decode(body: bytearray) -> Message:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as e:
        raise ProtocolError(f"a frame is no JSON: {e}") from e
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ProtocolError("a frame is no message: it has no type")
    return message


def _close_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
