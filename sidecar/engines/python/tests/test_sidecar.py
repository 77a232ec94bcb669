"""Against the real sidecar: saved, restored in another process, either side killed."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.request
from typing import Any, Dict, List, Optional

from sidecar import Pod, until

from dormouse import Buffer, Mode, Refused, Sidecar
from dormouse.layout import layout_hash

try:
    import numpy

    import dormouse.numpy
except ImportError:
    numpy = None
try:
    import torch
except ImportError:
    torch = None

HERE = pathlib.Path(__file__).resolve().parent


class SidecarTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.pod = Pod(folder.name)
        self.addCleanup(self.pod.stop)
        self.pod.start()

    def connect(self, **compatibility: str) -> Sidecar:
        sidecar = Sidecar.connect("test", "1", compatibility, path=self.pod.socket, timeout=30)
        self.addCleanup(sidecar.close)
        return sidecar

    def save(self, content: bytes) -> None:
        """One buffer and one file, saved to the volume; the engine answers no probe, so none is asked."""
        with self.connect() as sidecar:
            self.assertEqual(Mode.CREATE, sidecar.mode)
            allocation = sidecar.allocate(len(content))
            with allocation.map(writable=True) as memory:
                memory[:len(content)] = content
            sidecar.put([Buffer("weights", allocation.id, 0, len(content), "Weights", "u8", (len(content),))])
            sidecar.put_file("note.txt", b"hello")
            sidecar.commit()
            self.assertEqual(content, bytes(allocation.map(writable=False)[:len(content)]))
            sidecar.ready()
            self.pod.await_phase("Ready")
        self.assertEqual(1, len(self.pod.snapshots()))

    def test_memory_comes_back_in_another_pod(self) -> None:
        content = os.urandom(5_000_000)
        self.save(content)
        self.pod.kill()
        self.pod.start()

        sidecar = self.connect()
        self.assertEqual(Mode.ATTACH, sidecar.mode)
        attachment = sidecar.attach()
        sidecar.wait("note.txt")
        self.assertEqual(b"hello", bytes(attachment.files["note.txt"]))
        sidecar.wait()
        self.assertEqual(content, bytes(attachment["weights"]))
        with self.assertRaises(TypeError):
            attachment["weights"][0] = 1  # type: ignore[index]

    def test_an_engine_attaches_again(self) -> None:
        self.save(b"x" * 1000)
        first = self.connect()
        first.attach()
        first.wait()
        generation = first.generation
        first.close()

        second = self.connect()
        attachment = second.attach()
        second.wait()
        self.assertEqual(generation, second.generation)
        self.assertEqual(b"x" * 1000, bytes(attachment["weights"]))

    def test_other_compatibility_means_loading_from_the_source(self) -> None:
        self.save(b"x" * 1000)
        self.pod.kill()
        self.pod.start()

        sidecar = self.connect(layout=layout_hash([("weights", "u8", (999,))]))

        self.assertEqual(Mode.CREATE, sidecar.mode)

    def test_a_damaged_snapshot_is_refused_and_hello_comes_again(self) -> None:
        self.save(os.urandom(1_000_000))
        self.pod.kill()
        (pack,) = self.pod.volume.glob("packs/*.pack")
        content = bytearray(pack.read_bytes())
        content[200_000] ^= 1
        pack.write_bytes(content)
        self.pod.start()

        sidecar = self.connect()
        if sidecar.mode == Mode.ATTACH:
            with self.assertRaises(Refused) as refused:
                sidecar.attach()
                sidecar.wait()
            self.assertEqual("ChecksumMismatch", refused.exception.code)
            sidecar.close()
            sidecar = self.connect()
        self.assertEqual(Mode.CREATE, sidecar.mode)

    def test_a_view_that_is_held_stops_the_commit_and_nothing_else(self) -> None:
        sidecar = self.connect()
        allocation = sidecar.allocate(4096)
        view = allocation.map(writable=True)
        with self.assertRaisesRegex(BufferError, "still held"):
            sidecar.commit()
        view.release()
        sidecar.put([Buffer("a", allocation.id, 0, 4096, "Weights", "u8", (4096,))])
        sidecar.commit()

    def test_what_breaks_a_rule_is_refused_with_its_name(self) -> None:
        sidecar = self.connect()
        allocation = sidecar.allocate(100)
        with self.assertRaises(Refused) as refused:
            sidecar.put([Buffer("a", allocation.id, 0, 1 << 40, "Weights", "u8", ())])
        self.assertIn("a", str(refused.exception))
        with self.assertRaises(Refused) as refused:
            sidecar.attach()
        self.assertEqual("WrongState", refused.exception.code)

    @unittest.skipIf(numpy is None, "needs numpy")
    def test_arrays(self) -> None:
        random = numpy.random.default_rng(5)
        arrays = {"f": random.standard_normal((3, 5)).astype("f4"), "t": random.standard_normal((4, 6)).T,
                  "b": random.integers(0, 2, 9).astype(bool), "none": numpy.empty((0, 4), "f2"),
                  "scalar": numpy.array(7, "i8"), "ünicode": random.integers(0, 255, 1000).astype("u1")}
        with self.connect() as sidecar:
            frozen = dormouse.numpy.save(sidecar, arrays)
            for name, array in arrays.items():
                numpy.testing.assert_array_equal(array, frozen[name])
            sidecar.ready()
            self.pod.await_phase("Ready")
        self.pod.kill()
        self.pod.start()

        sidecar = self.connect()
        attachment = sidecar.attach()
        sidecar.wait()
        restored = dormouse.numpy.restore(attachment)
        self.assertEqual(set(arrays), set(restored))
        for name, array in arrays.items():
            numpy.testing.assert_array_equal(array, restored[name])
            self.assertEqual(array.dtype, restored[name].dtype)
        self.assertFalse(restored["f"].flags.writeable)


@unittest.skipIf(torch is None, "needs torch (Debian: python3-torch)")
class TorchTest(unittest.TestCase):
    TEXTS = ["a dormouse", "sleeps", ""]

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.pod = Pod(folder.name)
        self.addCleanup(self.pod.stop)
        self.engines: List[subprocess.Popen] = []
        self.addCleanup(lambda: [self.end(engine) for engine in self.engines])

    def engine(self, seed: int) -> Dict[str, Any]:
        environment = {**os.environ, "DORMOUSE_SOCKET": self.pod.socket, "POD_IP": "127.0.0.1",
                       "DORMOUSE_ENGINE_PORT": str(self.pod.engine_port)}
        errors = self.pod.folder / f"engine-{len(self.engines)}.log"
        with open(errors, "ab") as log:
            process = subprocess.Popen([sys.executable, "-W", "ignore", str(HERE / "engine.py"), str(seed)],
                                       env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                       text=True)
        self.engines.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        self.assertTrue(line, "the engine ended: " + errors.read_text()[-2000:])
        started: Dict[str, Any] = json.loads(line)
        return started

    def end(self, engine: subprocess.Popen) -> None:
        engine.send_signal(signal.SIGKILL)
        engine.communicate()

    def answers(self) -> List[List[float]]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.pod.engine_port}/v1/embeddings", method="POST",
            data=json.dumps({"model": "odd", "input": self.TEXTS}).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            return [entry["embedding"] for entry in json.load(answer)["data"]]

    def test_a_module_answers_the_same_after_a_restore_in_another_pod(self) -> None:
        self.pod.start()
        self.assertFalse(self.engine(seed=1)["restored"])
        self.pod.await_phase("Ready")
        before = self.answers()
        self.end(self.engines.pop())
        self.pod.kill()

        self.pod.start()
        restored = self.engine(seed=2)
        self.pod.await_phase("Ready")

        self.assertTrue(restored["restored"])
        self.assertEqual(before, self.answers())

    def test_an_engine_that_was_killed_finds_its_weights_where_they_were(self) -> None:
        self.pod.start()
        self.engine(seed=1)
        self.pod.await_phase("Ready")
        before = self.answers()
        self.end(self.engines.pop())

        self.assertTrue(self.engine(seed=2)["restored"])

        self.assertEqual(before, self.answers())

    def test_an_engine_goes_on_when_the_sidecar_is_killed_and_joins_the_next(self) -> None:
        self.pod.start()
        self.engine(seed=1)
        self.pod.await_phase("Ready")
        before = self.answers()

        self.pod.kill()
        self.assertEqual(before, self.answers())
        self.pod.start()

        self.pod.await_phase("Ready")
        self.assertEqual(before, self.answers())

    def test_without_a_sidecar_it_loads_from_the_source(self) -> None:
        self.pod.socket = ""
        self.assertFalse(self.engine(seed=1)["restored"])
        self.assertEqual(len(self.TEXTS), len(until(self.answers, "an answer")))


if __name__ == "__main__":
    unittest.main()
