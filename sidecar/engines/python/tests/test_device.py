"""Memory that is not the host's: a GPU's (over the stand-in where there is none), or this engine's own, through the ring.

H38, S64: real memory, allocated, saved, restored, and bit for bit the same.
"""

import importlib.util
import json
import os
import pathlib
import random
import select
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from typing import Any, Callable, Dict, List, Tuple

from dormouse import NoSidecar, ProtocolError, Refused, Sidecar
from dormouse.cuda import DRIVER, Context, DeviceBytes
from dormouse.device import DeviceMemory
from dormouse.errors import DeviceError
from dormouse.ring import Fetches, HostPlace, Region

import standin
from peer import Peer, Raw, descriptors, memory_file, welcomed
from sidecar import Pod, until

HERE = pathlib.Path(__file__).parent


class DriverTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls) -> None:
        cls.context = standin.context()

    def test_a_device_says_who_it_is_and_is_found_by_that(self) -> None:
        self.assertRegex(self.context.uuid, "^GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
        self.assertRegex(self.context.architecture, "^sm_[0-9]{2,3}$")
        Context.of(self.context.uuid).close()
        Context.of(None).close()
        with self.assertRaisesRegex(DeviceError, "the sidecar uses GPU-0, this engine sees GPU-.*resource claim"):
            Context.of("GPU-0")

    def test_memory_is_zeroed_written_and_read(self) -> None:
        address = self.context.allocate(1000)
        self.addCleanup(self.context.free, address)
        self.assertEqual(bytes(1000), self.context.read(address, 1000))
        self.context.write(address + 10, b"read-only")
        self.context.write(address + 500, bytearray(b"writable"))
        self.assertEqual((b"read-only", b"writable"),
                         (self.context.read(address + 10, 9), self.context.read(address + 500, 8)))

    def test_an_error_names_the_call_and_what_to_do(self) -> None:
        with self.assertRaisesRegex(DeviceError, r"^cuMemAlloc_v2: CUDA_ERROR_OUT_OF_MEMORY \(2\): the GPU is full; nvi"):
            self.context.allocate(1 << 50)
        with self.assertRaisesRegex(DeviceError, "^cuMemFree_v2: CUDA_ERROR_INVALID_VALUE"):
            self.context.free(12345)
        with self.assertRaisesRegex(DeviceError, "^cuDeviceGet: .*the container sees fewer GPUs"):
            Context(99)

    def test_where_there_is_no_driver_one_line_says_so(self) -> None:
        said = subprocess.run([sys.executable, "-c", "import dormouse.cuda as c\ntry: c.Context()\n"
                               "except c.DeviceError as e: print(e)"], capture_output=True, text=True,
                              env={**os.environ, DRIVER: "/nowhere/libcuda.so.1"})
        self.assertRegex(said.stdout, "^libcuda.so.1: .*schedule this pod on a GPU node.*DORMOUSE_DEVICE=Host\n$")

    def test_a_handle_is_of_the_whole_block_and_says_how_far_in(self) -> None:
        address = self.context.allocate(4096)
        self.addCleanup(self.context.free, address)
        whole, inner = self.context.ipc_handle(address), self.context.ipc_handle(address + 512)
        self.assertEqual((64, whole[0], 0, 512), (len(whole[0]), inner[0], whole[1], inner[1]))

    def test_device_bytes_are_what_other_libraries_take(self) -> None:
        self.assertEqual({"shape": (8,), "typestr": "|u1", "data": (4096, False), "strides": None, "stream": None,
                          "version": 3}, DeviceBytes(4096, 8).__cuda_array_interface__)


class RingTest(unittest.TestCase):
    """Against a sidecar that fills slots as it likes."""

    SLOTS, BYTES = 3, 4096

    def attached(self, ring: Callable[[Raw, int], None], context: Any = None, mode: str = "Attach") -> Tuple[Any, Any]:
        """The memory of an allocation 7 with two slots and a half, and its connection."""
        def script(raw: Raw) -> None:
            raw.expect("ATTACH")
            raw.say({"type": "ATTACHED", "allocations": [{"allocation": 7, "bytes": 10_240}],
                     "buffers": [{"name": "w", "allocation": 7, "offset": 0, "length": 10_240, "bufferType": "Weights",
                                  "dtype": "u8", "shape": [10_240]}]})
            raw.expect("RING")
            file = os.memfd_create("ring", os.MFD_CLOEXEC)
            os.ftruncate(file, self.SLOTS * self.BYTES)
            raw.say({"type": "RING", "slots": self.SLOTS, "slotBytes": self.BYTES}, [file])
            try:
                ring(raw, file)
            finally:
                os.close(file)

        peer = Peer(self, welcomed(script, mode="Attach", memory="Staged"))
        sidecar = Sidecar.connect("test", "1", {}, path=peer.path, memory=("Staged",))
        self.addCleanup(sidecar.close)
        memory = DeviceMemory.of(sidecar, context)
        return memory, memory.attach()

    def pieces(self, raw: Raw, *pieces: Tuple[int, int, int]) -> None:
        raw.say({"type": "FILLED", "pieces": [{"slot": slot, "allocation": 7, "offset": offset, "length": length}
                                              for slot, offset, length in pieces]})

    def landed(self, raw: Raw) -> List[int]:
        slots: List[int] = raw.expect("DONE")[0]["slots"]
        return slots

    def whole(self, raw: Raw, file: int) -> None:
        """In another order than that of the memory, with zeros between, and slots used again."""
        os.pwrite(file, b"c" * 2048, 0)
        os.pwrite(file, b"a" * 4096, 2 * self.BYTES)
        self.pieces(raw, (0, 8192, 2048), (2, 0, 4096), (-1, 4096, 4096))
        given = self.landed(raw)
        if given != [0, 2]:
            raise AssertionError(given)
        for byte in b"xyz":
            os.pwrite(file, bytes([byte]) * 16, 0)
            self.pieces(raw, (0, 4096, 16))
            self.landed(raw)
        raw.say({"type": "WAITED"})

    def content(self) -> bytes:
        return b"a" * 4096 + b"z" * 16 + bytes(4080) + b"c" * 2048

    def test_slots_land_in_this_process(self) -> None:
        memory, attachment = self.attached(self.whole)
        self.assertEqual(self.content(), bytes(memory.bytes_of(attachment.buffers["w"])))

    def test_slots_land_on_a_device(self) -> None:
        context = standin.context()
        memory, attachment = self.attached(self.whole, context)
        address, _ = memory.bytes_of(attachment.buffers["w"]).__cuda_array_interface__["data"]
        self.assertEqual(self.content(), context.read(address, 10_240))
        memory.close()

    def test_what_lies_outside_is_refused_before_a_byte_is_written(self) -> None:
        for context in (None, standin.context()):
            for piece in ((3, 0, 1), (-2, 0, 1), (0, 0, 4097), (0, 10_239, 2), (0, -1, 1), (0, 1, -1), (0, 1 << 62, 1)):
                with self.subTest(piece=piece, device=context is not None):
                    with self.assertRaises(ProtocolError):
                        self.attached(lambda raw, _: self.pieces(raw, piece), context)
        for message in ({"type": "FILLED", "pieces": [{"slot": 0}]}, {"type": "FILLED", "pieces": [7]},
                        {"type": "FILLED", "pieces": [{"slot": 0, "allocation": 8, "offset": 0, "length": 1}]},
                        {"type": "RESUME"}):
            with self.subTest(message=message), self.assertRaises(ProtocolError):
                self.attached(lambda raw, _: raw.say(message))

    def test_rings_that_are_none_are_refused(self) -> None:
        file = memory_file(bytes(100))
        self.addCleanup(os.close, file)
        before = descriptors()
        for message in ({"slots": 1, "slotBytes": 101}, {"slots": -1, "slotBytes": 1}, {}, {"slots": "1", "slotBytes": 1}):
            with self.subTest(message=message), self.assertRaisesRegex(ProtocolError, "a ring of"):
                Fetches(HostPlace(), {})(message, [file])
        with self.assertRaisesRegex(ProtocolError, "before it has sent a ring"):
            Fetches(HostPlace(), {})({"slots": 1, "pieces": []}, [])
        self.assertEqual(before, descriptors())

    def test_damage_found_on_the_way_and_a_sidecar_that_dies_end_the_attach(self) -> None:
        def damaged(raw: Raw, _: int) -> None:
            self.pieces(raw, (0, 0, 100))
            raw.say({"type": "FAILED", "code": "ChecksumMismatch", "message": "chunk 2"})
            self.landed(raw)

        with self.assertRaisesRegex(Refused, "ChecksumMismatch: chunk 2"):
            self.attached(damaged)
        with self.assertRaisesRegex(NoSidecar, "closed the connection"):
            self.attached(lambda raw, _: self.pieces(raw, (0, 0, 100)))

    def test_what_the_sidecar_fetches_is_what_the_memory_holds(self) -> None:
        place = HostPlace()
        address = place.allocate(8192)
        place.view(address)[4090:4100] = b"0123456789"
        fetches = Fetches(place, {3: Region(3, address, 8192)})
        ring = memory_file(bytes(2 * 4096))
        before = descriptors()
        self.assertEqual({"type": "FILLED", "pieces": []},
                         fetches({"slots": 2, "slotBytes": 4096, "pieces": []}, [ring]))
        pieces = [{"slot": 1, "allocation": 3, "offset": 4090, "length": 10}]
        self.assertEqual({"type": "FILLED", "pieces": pieces},
                         fetches({"slots": 2, "slotBytes": 4096, "pieces": pieces}, []))
        self.assertEqual(b"0123456789", os.pread(ring, 10, 4096))
        with self.assertRaises(ProtocolError):
            fetches({"slots": 2, "slotBytes": 4096, "pieces": [{**pieces[0], "offset": 8190}]}, [])
        fetches({"slots": 0, "pieces": []}, [])
        self.assertEqual(before, descriptors())
        os.close(ring)


class ModesTest(unittest.TestCase):
    """With a real sidecar, and an engine in a process of its own."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.pod = Pod(folder.name)
        self.addCleanup(self.pod.stop)
        self.engines: List[subprocess.Popen] = []
        self.addCleanup(self.leave)

    def leave(self) -> None:
        for engine in self.engines:
            engine.kill()
            engine.wait()
            for pipe in (engine.stdin, engine.stdout):
                if pipe is not None:
                    pipe.close()

    def start(self, mode: str) -> None:
        self.pod.start(standin.jvm(), DORMOUSE_DEVICE=mode, DORMOUSE_FITNESS_SKIP="memory,disk")

    def engine(self, seed: int, place: str, *more: str) -> subprocess.Popen:
        return self.process("device_engine.py", str(seed), place, *more, place=place)

    def process(self, program: str, *arguments: str, place: str) -> subprocess.Popen:
        environment = {**os.environ, **(standin.environment() if place == "device" else {}), "POD_IP": "127.0.0.1",
                       "DORMOUSE_SOCKET": self.pod.socket, "DORMOUSE_ENGINE_PORT": str(self.pod.engine_port)}
        with open(self.pod.folder / "engine.log", "ab") as log:
            process = subprocess.Popen([sys.executable, str(HERE / program), *arguments],
                                       env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                       bufsize=0)
        self.engines.append(process)
        return process

    def said(self, engine: subprocess.Popen) -> Dict[str, Any]:
        assert engine.stdout is not None
        readable, _, _ = select.select([engine.stdout], [], [], 30)
        line = engine.stdout.readline() if readable else b""
        if not line:
            raise AssertionError((self.pod.folder / "engine.log").read_text()[-3000:]
                                 + (self.pod.folder / "sidecar.log").read_text()[-3000:])
        answer: Dict[str, Any] = json.loads(line)
        return answer

    def kill(self, engine: subprocess.Popen) -> None:
        engine.kill()
        engine.wait()

    def saved(self) -> None:
        until(self.pod.snapshots, "a snapshot")
        self.pod.await_phase("Ready")

    def through(self, mode: str, place: str) -> None:
        """Saved, restored for another engine, kept by an engine whose sidecar ends, restored after both have ended."""
        self.start(mode)
        first = self.engine(1, place)
        created = self.said(first)
        self.assertEqual(("Create", mode), (created["mode"], created["memory"]))
        self.saved()
        expected = ("Attach", created["hash"], None)

        self.kill(first)
        second = self.engine(2, place, "1", "keep")
        self.assertEqual(expected, self.how(second))
        self.pod.await_phase("Ready")
        self.pod.kill()
        self.start(mode)
        # The engine has served on, and goes on from the memory it has beside the sidecar that has come.
        said = self.said(second)
        self.assertEqual((*expected, []), (said["mode"], said["hash"], said["refused"], said["paused"]))
        self.pod.await_phase("Ready")
        self.kill(second)
        self.pod.kill()

        self.start(mode)
        self.assertEqual(expected, self.how(self.engine(3, place)))
        self.pod.await_phase("Ready")

    def how(self, engine: subprocess.Popen) -> Tuple[Any, ...]:
        said = self.said(engine)
        return said["mode"], said["hash"], said["refused"]

    def test_owned(self) -> None:
        self.through("Owned", "device")

    def test_ipc(self) -> None:
        self.through("Ipc", "device")

    def test_staged_on_a_device(self) -> None:
        self.through("Staged", "device")

    def test_staged_in_the_engines_own_process(self) -> None:
        self.through("Staged", "host")

    def test_a_torch_module_whose_weights_come_through_the_ring(self) -> None:
        if importlib.util.find_spec("torch") is None:
            self.skipTest("needs torch, which this python3 does not have")
        vectors = []
        self.start("Staged")
        for seed in (1, 2):
            engine = self.process("engine.py", str(seed), place="host")
            self.assertEqual(seed == 2, self.said(engine)["restored"])
            self.saved()
            vectors.append(self.embed())
            # The sidecar ends; the engine serves on, and the next sidecar gets ready with it.
            self.pod.kill()
            vectors.append(self.embed())
            self.start("Staged")
            self.pod.await_phase("Ready")
            vectors.append(self.embed())
            self.kill(engine)
        self.assertEqual([vectors[0]] * 6, vectors)

    def embed(self) -> Any:
        request = urllib.request.Request(f"http://127.0.0.1:{self.pod.engine_port}/v1/embeddings",
                                         json.dumps({"model": "odd", "input": "the same text"}).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)["data"][0]["embedding"]

    def test_damage_behind_what_fits_into_the_ring_is_refused_on_the_way_and_the_engine_loads_anew(self) -> None:
        # The sidecar finds it only when an engine takes what lies before it: three slots a worker, and some.
        beyond = str((3 * 4 * (os.cpu_count() or 1) + 8) << 20)
        self.start("Staged")
        first = self.engine(1, "device", beyond)
        self.said(first)
        self.saved()
        self.kill(first)
        self.pod.kill()
        (pack,) = self.pod.volume.glob("packs/*")
        with open(pack, "r+b") as file:
            file.seek(pack.stat().st_size - (1 << 20))
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
        self.start("Staged")
        second = self.engine(2, "device", beyond)
        refused, created = self.said(second), self.said(second)
        self.assertEqual(("Attach", "ChecksumMismatch"), (refused["mode"], refused["refused"]))
        self.assertEqual(("Create", None), (created["mode"], created["refused"]))
        self.pod.await_phase("Ready")

    def test_sidecars_come_and_go_and_leave_nothing_open_in_the_engine(self) -> None:
        """As many as DORMOUSE_ROUNDS says, killed at any moment of the conversation."""
        self.start("Staged")
        engine = self.engine(1, "device")
        first = self.said(engine)
        self.saved()
        source = random.Random(5)
        for _ in range(int(os.environ.get("DORMOUSE_ROUNDS", "1"))):
            self.pod.kill()
            self.start("Staged")
            time.sleep(source.random())  # Any moment: that is what is tried here.
            self.pod.kill()
            self.start("Staged")
            self.pod.await_phase("Ready")
            said = self.said(engine)
            while engine.stdout in select.select([engine.stdout], [], [], 0)[0]:
                said = self.said(engine)  # It may have joined the one before, too.
            self.assertEqual(("Attach", first["hash"], None), (said["mode"], said["hash"], said["refused"]))
            self.assertEqual(["quiesce", "resume"], said["paused"], "it was saved once")
            # A few come and go; one memory more than before would be four.
            self.assertLess(said["descriptors"], first["descriptors"] + 4)


if __name__ == "__main__":
    unittest.main()
