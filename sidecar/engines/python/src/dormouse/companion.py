"""What an engine owes its sidecar while it serves."""

import logging
import os
import threading
from typing import Callable, Mapping, Optional, Sequence

from .client import Sidecar
from .errors import DeviceError, DormouseError
from .wire import Message

#: A message and its descriptors in, the answer out.
Request = Callable[[Message, Sequence[int]], Message]

_LOG = logging.getLogger(__name__)
_REJOIN_SECONDS = 1.0


class Companion:
    """Stays with the sidecar in a thread of its own: pauses when it asks, and joins it again when it has restarted.

    The engine goes on serving meanwhile: what it has mapped stays.
    """

    def __init__(self, sidecar: Sidecar, join: Callable[[], Sidecar], *, quiesce: Optional[Callable[[], None]] = None,
                 resume: Optional[Callable[[], None]] = None,
                 requests: Optional[Mapping[str, Request]] = None) -> None:
        """
        :param join: connects to a sidecar that has restarted, gives it what it wants, and says ready
        :param quiesce: finishes what runs, starts nothing more, synchronizes the device
        :param resume: the opposite; also called when ``quiesce`` has failed, when the sidecar has paused us for too long, and
            when it is gone
        :param requests: answers to other messages, by type; they get the descriptors too, which are closed afterwards
        """
        self._sidecar = sidecar
        self._join = join
        self._quiesce = quiesce
        self._resume = resume
        #: May be set anew by ``join``: another sidecar, other memory.
        self.requests: Mapping[str, Request] = dict(requests or {})
        self._paused: Optional[threading.Timer] = None
        self._pausing = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dormouse-companion", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Leaves the sidecar."""
        self._stopped.set()
        self._sidecar.shutdown()
        # One that is just joining a sidecar may take longer; it ends with the process.
        self._thread.join(_REJOIN_SECONDS)
        self._sidecar.close()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._follow()
            # What is mapped stays; what is left of the connection goes.
            self._sidecar.close()
            self._resume_now()
            while not self._stopped.is_set():
                try:
                    self._sidecar = self._join()
                    _LOG.info("the sidecar is back, as %s", self._sidecar.mode)
                    break
                except (DormouseError, OSError) as e:
                    _LOG.warning("no sidecar yet: %s", e)
                    self._stopped.wait(_REJOIN_SECONDS)

    def _follow(self) -> None:
        try:
            while True:
                request, descriptors = self._sidecar.receive()
                try:
                    self._sidecar.answer(self._answered(request, descriptors))
                finally:
                    for descriptor in descriptors:
                        os.close(descriptor)
        except (DormouseError, OSError) as e:
            # A connection that broke is as gone as one that was closed.
            if not self._stopped.is_set():
                _LOG.warning("%s; serving goes on from the memory at hand", e)

    def _answered(self, request: Message, descriptors: Sequence[int]) -> Message:
        kind = request["type"]
        try:
            if kind == "QUIESCE" and self._quiesce is not None:
                # Before it is tried: half a pause must end, too.
                self._resume_in(float(request.get("maxPauseSeconds") or 30))
                self._quiesce()
                return {"type": "DONE"}
            if kind == "RESUME" and self._resume is not None:
                self._resume_now()
                return {"type": "DONE"}
            if kind in self.requests:
                return self.requests[kind](request, descriptors)
        except Exception as e:  # The engine's own code: whatever it throws, the sidecar is told.
            _LOG.exception("%s failed", kind)
            return {"type": "FAILED", "code": "DeviceError" if isinstance(e, DeviceError) else "EngineError",
                    "message": f"{type(e).__name__}: {e}"[:1000]}
        return {"type": "FAILED", "code": "UnexpectedMessage", "message": f"this engine does not know {kind}"}

    def _resume_in(self, seconds: float) -> None:
        with self._pausing:
            if self._paused is not None:
                self._paused.cancel()
            self._paused = threading.Timer(seconds, self._resume_now)
            self._paused.daemon = True
            self._paused.start()

    def _resume_now(self) -> None:
        with self._pausing:
            paused, self._paused = self._paused, None
        if paused is not None:
            paused.cancel()
            if self._resume is not None:
                self._resume()
