"""A real sidecar in a process of its own, configured by its environment as in a pod."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import unittest
import urllib.error
import urllib.request
from typing import Any, Dict, List, Optional, Sequence

HOME = pathlib.Path(os.environ.get("DORMOUSE_HOME", pathlib.Path(__file__).resolve().parents[4]))
APP = HOME / "sidecar/agent/target/app"
PATIENCE = 30.0


def _java() -> Optional[str]:
    candidates = [os.environ.get("JAVA_HOME", ""), *map(str, sorted(pathlib.Path("/usr/lib/jvm").glob("*")))]
    for candidate in filter(None, candidates):
        release = pathlib.Path(candidate) / "release"
        if release.is_file() and 'JAVA_VERSION="25' in release.read_text():
            return f"{candidate}/bin/java"
    return None


JAVA = _java()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Any, what: str, patience: float = PATIENCE) -> Any:
    """The first true value of a condition that is asked again and again."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {patience:g} s: {what}")
        time.sleep(0.01)


class Pod:
    """A socket, a volume, and the sidecar that runs now."""

    def __init__(self, folder: str) -> None:
        if JAVA is None or not APP.is_dir():
            raise unittest.SkipTest("needs a JDK 25 under /usr/lib/jvm and sidecar/agent/target/app")
        self.folder = pathlib.Path(folder)
        self.socket = str(self.folder / "engine.sock")
        self.volume = self.folder / "volume"
        self.volume.mkdir()
        self.engine_port = free_port()
        self.http_port = free_port()
        self.process: Optional[subprocess.Popen] = None

    def start(self, jvm: Sequence[str] = (), **settings: str) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DORMOUSE_")}
        environment.update({
            "POD_IP": "127.0.0.1", "POD_UID": "uid-1", "DORMOUSE_MODEL": "ns/m", "DORMOUSE_SOCKET": self.socket,
            "DORMOUSE_VOLUME": str(self.volume), "DORMOUSE_SNAPSHOT_KEY": "0" * 64,
            "DORMOUSE_HTTP_PORT": str(self.http_port), "DORMOUSE_ENGINE_PORT": str(self.engine_port), **settings})
        with open(self.folder / "sidecar.log", "ab") as log:
            self.process = subprocess.Popen(
                [str(JAVA), "-XX:+UseSerialGC", "-Xmx96m", "--enable-native-access=ALL-UNNAMED",
                 "--sun-misc-unsafe-memory-access=allow", *jvm, "-cp", f"{APP}/*", "dev.dormouse.sidecar.agent.AgentMain"],
                env=environment, stdout=log, stderr=subprocess.STDOUT)

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def status(self) -> Dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/status", timeout=5) as answer:
                status: Dict[str, Any] = json.load(answer)
                return status
        except (OSError, urllib.error.URLError):
            return {}

    def snapshots(self) -> List[pathlib.Path]:
        return sorted(self.volume.glob("snapshots/*/manifest.json"))

    def await_phase(self, phase: str) -> Dict[str, Any]:
        def reached() -> Optional[Dict[str, Any]]:
            status = self.status()
            return status if status.get("phase") == phase else None

        result: Dict[str, Any] = until(reached, f"phase {phase}; the sidecar says {self.status()}")
        return result
