#!/usr/bin/env python3
"""Figures of docs/python.md: what an import costs, and what 10,000 tensors cost to save and to attach.

    PYTHONPATH=src DORMOUSE_HOME=../../.. /usr/bin/python3 bench.py [tensors]

Needs the built sidecar (sidecar/agent/target/app) and a JDK 25. Prints JSON, medians of the rounds in milliseconds.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Dict, List

sys.path.insert(0, str(pathlib.Path(__file__).parent / "tests"))

from dormouse import Sidecar  # noqa: E402
from sidecar import Pod, until  # noqa: E402

ROUNDS = 5


def median(measure: Callable[[], float], rounds: int = ROUNDS) -> float:
    return round(statistics.median(measure() for _ in range(rounds)) * 1e3, 2)


def started(code: str) -> float:
    """Seconds of an interpreter's life that does this."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - begin


def within(code: str) -> float:
    """Seconds of an import, as the interpreter sees it."""
    timed = f"import time; t = time.perf_counter(); {code}; print(time.perf_counter() - t)"
    return float(subprocess.run([sys.executable, "-c", timed], check=True, capture_output=True).stdout)


class Always200(BaseHTTPRequestHandler):

    def do_POST(self) -> None:  # noqa: N802
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


def attaching(pod: Pod, restore: Callable[[Any], Any]) -> Dict[str, float]:
    """Against a sidecar that has restored already: what is left to do is the engine's."""
    parts: Dict[str, List[float]] = {"attach": [], "tensors": [], "both": [], "both_cpu": []}
    for _ in range(ROUNDS):
        with connect(pod) as sidecar:
            begin, cpu = time.perf_counter(), time.process_time()
            attachment = sidecar.attach()
            sidecar.wait()
            between = time.perf_counter()
            tensors = restore(attachment)
            end = time.perf_counter()
            if not tensors:
                raise AssertionError("nothing came")
        parts["attach"].append(between - begin)
        parts["tensors"].append(end - between)
        parts["both"].append(end - begin)
        # What a machine that others use too would take if they did not.
        parts["both_cpu"].append(time.process_time() - cpu)
    return {name: round(statistics.median(values) * 1e3, 1) for name, values in parts.items()}


def connect(pod: Pod) -> Sidecar:
    return Sidecar.connect("bench", "1", {"layout": "bench"}, path=pod.socket)


def main(count: int) -> None:
    figures: Dict[str, Any] = {
        "python": sys.version.split()[0], "cores": os.cpu_count(),
        "interpreter_ms": median(lambda: started("pass")),
        "import_ms": median(lambda: within("import dormouse")),
        "import_with_server_and_companion_ms": median(lambda: within("import dormouse.serve, dormouse.companion")),
        "import_with_cuda_ms": median(lambda: within("import dormouse.device")),
        "tensors": count,
    }
    import torch
    import dormouse.torch

    with tempfile.TemporaryDirectory() as folder:
        pod = Pod(folder)
        server = ThreadingHTTPServer(("127.0.0.1", pod.engine_port), Always200)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            pod.start(DORMOUSE_FITNESS_SKIP="memory,disk")
            tensors = {f"model.layers.{i}.weight": torch.full((1024,), float(i)) for i in range(count)}
            with connect(pod) as sidecar:
                begin = time.perf_counter()
                dormouse.torch.save(sidecar, tensors)
                figures["save_ms"] = round((time.perf_counter() - begin) * 1e3, 1)
                sidecar.ready(probe={"path": "/", "body": "{}", "item": "{}"})
                until(pod.snapshots, "a snapshot")
                pod.await_phase("Ready")
            pod.kill()
            pod.start(DORMOUSE_FITNESS_SKIP="memory,disk")
            until(lambda: pod.status().get("percent") == 100, "the restore")
            figures["torch_ms"] = attaching(pod, dormouse.torch.restore)
            import dormouse.numpy
            figures["numpy_ms"] = attaching(pod, dormouse.numpy.restore)
        finally:
            pod.stop()
            server.shutdown()
            server.server_close()
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
