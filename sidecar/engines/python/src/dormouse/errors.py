"""What can go wrong between an engine and its sidecar."""


class DormouseError(Exception):
    """The base of all errors of this package."""


class NoSidecar(DormouseError):
    """Nobody answers at the socket, or the connection is gone."""


class ProtocolError(DormouseError):
    """The other side said what the protocol does not know. The connection is closed: there is no way back into step."""


class Refused(DormouseError):
    """The sidecar refused a request. ``code`` is stable: ``ChecksumMismatch``, ``OutOfMemory``, ``WrongState``, …

    Refused while a snapshot is being restored means that none of its memory may be used: say hello again and load
    from the source.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class DeviceError(DormouseError):
    """A call of the CUDA driver failed. The message names the call, the error, and what to do about it."""

    def __init__(self, call: str, code: int, name: str, advice: str = "") -> None:
        super().__init__(f"{call}: {name} ({code})" + (f": {advice}" if advice else ""))
        self.call = call
        self.code = code
