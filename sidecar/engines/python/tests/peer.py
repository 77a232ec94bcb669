"""The sidecar's side of a socket, in this process: says whatever a test wants, right or wrong."""

import array
import json
import os
import pathlib
import socket
import struct
import tempfile
import threading
import unittest
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from dormouse import wire

WELCOME = {"type": "WELCOME", "protocol": 1, "mode": "Create", "generation": "", "reason": "NoSnapshot"}
PATIENCE = 10.0


def frame(message: Any, length: Optional[int] = None) -> bytes:
    """The bytes of a frame, with a length that need not be true."""
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return struct.pack(">I", len(body) if length is None else length) + body


def memory_file(content: bytes) -> int:
    descriptor = os.memfd_create("test", os.MFD_CLOEXEC)
    os.write(descriptor, content)
    return descriptor


def descriptors() -> int:
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


class Raw:
    """A connected socket on which anything may be sent."""

    def __init__(self, connected: socket.socket) -> None:
        connected.settimeout(PATIENCE)
        self.socket = connected
        self.channel = wire.Channel(connected)

    def send(self, data: bytes, carried: Sequence[int] = ()) -> None:
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", carried))] if carried else []
        sent = self.socket.sendmsg([data], control)
        if sent < len(data):
            self.socket.sendall(data[sent:])

    def say(self, message: Dict[str, Any], carried: Sequence[int] = ()) -> None:
        self.channel.send(message, carried)

    def expect(self, kind: str) -> Tuple[Dict[str, Any], List[int]]:
        received = self.channel.receive()
        if received is None or received[0]["type"] != kind:
            raise AssertionError(f"expected {kind}, got {received}")
        return received

    def close(self) -> None:
        self.socket.close()


class Peer:
    """Listens at a path of its own; serves one connection after the other with the scripts it was given."""

    def __init__(self, test: unittest.TestCase, *scripts: Callable[[Raw], None]) -> None:
        folder = tempfile.TemporaryDirectory()
        test.addCleanup(folder.cleanup)
        self.path = str(pathlib.Path(folder.name) / "engine.sock")
        self._scripts = scripts
        self._failure: Optional[BaseException] = None
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen()
        self._listener.settimeout(PATIENCE)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        test.addCleanup(self.done)

    def _serve(self) -> None:
        try:
            for script in self._scripts:
                connected, _ = self._listener.accept()
                with connected:
                    script(Raw(connected))
        except BaseException as e:
            self._failure = e
        finally:
            self._listener.close()

    def done(self) -> None:
        """Every script has come to its end, and none has met what it did not expect."""
        self._thread.join(PATIENCE)
        if self._thread.is_alive():
            raise AssertionError("the peer still waits for the engine")
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure


def welcomed(then: Callable[[Raw], None], **fields: Any) -> Callable[[Raw], None]:
    """A script that says WELCOME, then goes on."""

    def script(raw: Raw) -> None:
        raw.expect("HELLO")
        raw.say({**WELCOME, **fields})
        then(raw)

    return script
