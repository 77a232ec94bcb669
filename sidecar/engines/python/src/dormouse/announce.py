"""For engines with an HTTP server of their own: says ready to the sidecar once that server does."""

import http.client
import logging
import os
import signal
import threading
from typing import Any, Callable, Mapping, Optional, Sequence

from .client import Sidecar
from .companion import Companion, Request
from .errors import DormouseError, Refused

_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 0.05


class Announcer:
    """Asks for the engine's health in a thread of its own; then stays with the sidecar as :class:`Companion` does."""

    def __init__(self, sidecar: Sidecar, join: Callable[[], Sidecar], *, phases: Sequence[Mapping[str, Any]] = (),
                 probe: Optional[Mapping[str, str]] = None, requests: Optional[Mapping[str, Request]] = None,
                 path: str = "/health", host: Optional[str] = None, port: Optional[int] = None) -> None:
        """
        :param join: connects to a sidecar that has restarted; it is told ready here
        :param probe: ``{"path", "body", "item"}``, a real request for the warmup inference
        :param host: default ``$POD_IP``, this machine without it
        :param port: default ``$DORMOUSE_ENGINE_PORT``, 8000 without it
        """
        self._sidecar = sidecar
        self._join = join
        self._phases = phases
        self._probe = probe
        self._requests = requests
        self._path = path
        self._address = (host or os.environ.get("POD_IP") or "127.0.0.1",
                         port or int(os.environ.get("DORMOUSE_ENGINE_PORT") or "8000"))
        self._companion: Optional[Companion] = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dormouse-announcer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Leaves the sidecar."""
        self._stopped.set()
        self._sidecar.shutdown()
        self._thread.join()
        if self._companion is not None:
            self._companion.stop()

    def _run(self) -> None:
        while not self._healthy():
            if self._stopped.wait(_POLL_SECONDS):
                return
        try:
            self._sidecar.ready(self._phases, probe=self._probe)
        except Refused as e:
            # Weights that are damaged may be in use already. Whoever started this process starts it again.
            _LOG.critical("the sidecar does not take this engine, which ends: %s", e)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        except (DormouseError, OSError) as e:
            _LOG.warning("the sidecar left while this engine came up: %s", e)
        if not self._stopped.is_set():
            self._companion = Companion(self._sidecar, self._rejoin, requests=self._requests)

    def _rejoin(self) -> Sidecar:
        sidecar = self._join()
        try:
            sidecar.ready((), probe=self._probe)
            return sidecar
        except BaseException:
            sidecar.close()
            raise

    def _healthy(self) -> bool:
        # No urllib: it would ask a proxy that the environment names.
        connection = http.client.HTTPConnection(*self._address, timeout=10)
        try:
            connection.request("GET", self._path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
