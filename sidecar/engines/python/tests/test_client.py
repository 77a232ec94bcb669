"""An engine's side of the conversation, against a sidecar that says what a sidecar should not."""

import logging
import os
import threading
import time
import unittest
import unittest.mock
from typing import Any, Dict

from dormouse import Buffer, BufferType, NoSidecar, ProtocolError, Refused, Sidecar
from dormouse.companion import Companion

from peer import WELCOME, Peer, Raw, descriptors, memory_file, welcomed

BUFFER: Dict[str, Any] = {"name": "w", "allocation": 7, "offset": 0, "length": 4, "bufferType": "Weights", "dtype": "u8",
                          "shape": [4]}


def connect(peer: Peer, timeout: float = 10.0) -> Sidecar:
    return Sidecar.connect("test", "1", {"arch": "x"}, path=peer.path, timeout=timeout)


def nothing(raw: Raw) -> None:
    """The peer has nothing to add, and waits until the engine is gone."""
    if raw.channel.receive() is not None:
        raise AssertionError("the engine said more")


class ConnectTest(unittest.TestCase):

    def test_the_hello_says_who_asks_and_the_welcome_says_what_to_do(self) -> None:
        def script(raw: Raw) -> None:
            self.hello = raw.expect("HELLO")[0]
            raw.say({**WELCOME, "mode": "Attach", "generation": "g-1", "reason": None})
            nothing(raw)

        with connect(Peer(self, script)) as sidecar:
            self.assertEqual(("Attach", "g-1", "Host", None),
                             (sidecar.mode, sidecar.generation, sidecar.memory, sidecar.device))
        self.assertEqual({"type": "HELLO", "protocol": 1, "engine": "test", "engineVersion": "1",
                          "compatibility": {"arch": "x"}}, self.hello)

    def test_a_sidecar_that_does_not_listen_yet_is_waited_for(self) -> None:
        peer = Peer(self, welcomed(nothing))
        late = peer.path + ".late"
        timer = threading.Timer(0.05, lambda: os.symlink(peer.path, late))
        timer.start()
        Sidecar.connect("test", "1", {}, path=late, timeout=10).close()
        timer.join()

    def test_nobody_at_the_socket_and_nobody_who_answers_are_told_apart(self) -> None:
        with self.assertRaisesRegex(NoSidecar, "no sidecar listens at /nowhere/engine.sock within 0.02 s"):
            Sidecar.connect("test", "1", {}, path="/nowhere/engine.sock", timeout=0.02)

        def silent(raw: Raw) -> None:
            raw.expect("HELLO")
            nothing(raw)

        before = descriptors()
        peer = Peer(self, silent)
        with self.assertRaisesRegex(NoSidecar, "one engine at a time: is another one connected"):
            connect(peer, timeout=0.05)
        peer.done()
        self.assertEqual(before, descriptors())

    def test_answers_that_no_sidecar_gives_end_the_connection(self) -> None:
        answers = [({**WELCOME, "mode": "Destroy"}, ProtocolError, "unknown mode 'Destroy'"),
                   ({"type": "WELCOME"}, ProtocolError, "unknown mode ''"),
                   ({"type": "DONE"}, ProtocolError, "answered DONE, expected was WELCOME"),
                   ({"type": "FAILED", "code": "UnsupportedProtocol", "message": "only 2"}, Refused,
                    "UnsupportedProtocol: only 2"),
                   ({"type": "FAILED"}, Refused, "Unknown: no message")]
        for answer, error, message in answers:
            with self.subTest(answer=answer):
                def script(raw: Raw) -> None:
                    raw.expect("HELLO")
                    raw.say(answer)
                    nothing(raw)

                peer = Peer(self, script)
                with self.assertRaisesRegex(error, message):
                    connect(peer)
                peer.done()

    def test_a_sidecar_that_dies_before_it_answers_is_gone_not_understood_wrongly(self) -> None:
        peer = Peer(self, lambda raw: raw.expect("HELLO") and None, welcomed(nothing))
        with self.assertRaisesRegex(NoSidecar, "the sidecar closed the connection"):
            connect(peer)
        connect(peer).close()


class CreateTest(unittest.TestCase):

    def test_memory_is_filled_named_frozen_and_then_read_only(self) -> None:
        def script(raw: Raw) -> None:
            file = memory_file(bytes(8))
            raw.expect("ALLOC")
            raw.say({"type": "ALLOCATED", "allocation": 0, "bytes": 8}, [file])
            self.named = raw.expect("PUT_META")[0]["buffers"]
            raw.say({"type": "DONE"})
            raw.expect("COMMIT")
            raw.say({"type": "COMMITTED"})
            self.content = os.pread(file, 8, 0)
            os.close(file)
            nothing(raw)

        peer = Peer(self, welcomed(script))
        with connect(peer) as sidecar:
            allocation = sidecar.allocate(6)
            with allocation.map(writable=True) as memory:
                memory[:4] = b"abcd"
            sidecar.put([Buffer("w", 0, 0, 4, BufferType.WEIGHTS, "u8", (4,))])
            frozen = sidecar.commit()[0].map(writable=False)
            self.assertEqual(b"abcd", bytes(frozen[:4]))
            with self.assertRaises(TypeError):
                frozen[0] = 1
        # A view outlives the connection.
        self.assertEqual(b"abcd", bytes(frozen[:4]))
        peer.done()
        self.assertEqual(b"abcd", self.content[:4])
        self.assertEqual("w", self.named[0]["name"])

    def test_memory_other_than_asked_for_is_refused_and_nothing_of_it_stays_open(self) -> None:
        file = memory_file(bytes(8))
        self.addCleanup(os.close, file)
        for answer, carried in (({"allocation": 0, "bytes": 4}, 1), ({"allocation": 0, "bytes": 8}, 0),
                                ({"allocation": 0, "bytes": 8}, 2), ({"bytes": 8}, 1), ({"allocation": 0}, 1),
                                ({"allocation": 0, "bytes": "8"}, 1), ({"allocation": 0, "bytes": 9}, 1)):
            with self.subTest(answer=answer, carried=carried):
                def script(raw: Raw) -> None:
                    raw.expect("ALLOC")
                    raw.say({"type": "ALLOCATED", **answer}, [file] * carried)
                    nothing(raw)

                peer = Peer(self, welcomed(script))
                with connect(peer) as sidecar:
                    before = descriptors()
                    with self.assertRaises(ProtocolError):
                        sidecar.allocate(8)
                    self.assertEqual(before, descriptors())
                peer.done()

    def test_a_commit_while_somebody_could_still_write_is_refused_on_this_side(self) -> None:
        def script(raw: Raw) -> None:
            file = memory_file(bytes(8))
            raw.expect("ALLOC")
            raw.say({"type": "ALLOCATED", "allocation": 3, "bytes": 8}, [file])
            os.close(file)
            nothing(raw)

        with connect(Peer(self, welcomed(script))) as sidecar:
            view = sidecar.allocate(8).map(writable=True)
            with self.assertRaisesRegex(BufferError, "allocation 3 cannot be committed: a view of it is still held"):
                sidecar.commit()
            view.release()

    def test_many_buffers_are_named_in_frames_the_sidecar_takes(self) -> None:
        counts = []

        def script(raw: Raw) -> None:
            for _ in range(3):
                counts.append(len(raw.expect("PUT_META")[0]["buffers"]))
                raw.say({"type": "DONE"})
            nothing(raw)

        peer = Peer(self, welcomed(script))
        with connect(peer) as sidecar:
            sidecar.put([Buffer(str(i), 0, 0, 1, BufferType.WEIGHTS, "u8", (1,)) for i in range(10_000)])
        peer.done()
        self.assertEqual([4096, 4096, 1808], counts)

    def test_a_file_travels_as_a_descriptor_that_the_sidecar_can_read(self) -> None:
        contents = []

        def script(raw: Raw) -> None:
            for _ in range(2):
                message, (file,) = raw.expect("PUT_FILE")
                contents.append((message["name"], message["length"], os.pread(file, 1 << 20, 0)))
                os.close(file)
                raw.say({"type": "DONE"})
            nothing(raw)

        peer = Peer(self, welcomed(script))
        with connect(peer) as sidecar:
            before = descriptors()
            sidecar.put_file("a/b.json", b"{}")
            sidecar.put_file("this.py", __file__)
            self.assertEqual(before, descriptors())
        peer.done()
        with open(__file__, "rb") as file:
            whole = file.read()
        self.assertEqual([("a/b.json", 2, b"{}"), ("this.py", len(whole), whole)], contents)

    def test_threads_that_ask_at_once_are_answered_one_by_one(self) -> None:
        def script(raw: Raw) -> None:
            for _ in range(80):
                name = raw.expect("WAIT")[0]["buffer"]
                raw.say({"type": "WAITED"} if name < "b" else {"type": "FAILED", "code": "UnknownName", "message": name})
            nothing(raw)

        peer = Peer(self, welcomed(script))
        wrong = []

        def ask(sidecar: Sidecar, name: str) -> None:
            for _ in range(10):
                try:
                    sidecar.wait(name)
                    refused = None
                except Refused as e:
                    refused = e.code
                if (refused == "UnknownName") != (name >= "b"):
                    wrong.append((name, refused))

        with connect(peer) as sidecar:
            threads = [threading.Thread(target=ask, args=(sidecar, name)) for name in "aaaabbbb"]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual([], wrong)


class AttachTest(unittest.TestCase):

    def attach(self, frames: Any, **welcome: Any) -> Any:
        """What attach() makes of frames of (message, how many descriptors of a file with 8 bytes)."""
        file = memory_file(b"abcdefgh")
        self.addCleanup(os.close, file)

        def script(raw: Raw) -> None:
            raw.expect("ATTACH")
            for message, carried in frames:
                raw.say({"type": "ATTACHED", **message}, [file] * carried)
            nothing(raw)

        peer = Peer(self, welcomed(script, mode="Attach", generation="g", **welcome))
        before = descriptors()
        try:
            with connect(peer) as sidecar:
                attachment = sidecar.attach()
            # The memory outlives the connection it came by.
            if sidecar.memory == "Host":
                self.assertTrue(attachment["w"].readonly)
            return {**{name: bytes(attachment[name]) for name in attachment.buffers if sidecar.memory == "Host"},
                    **{name: bytes(file) for name, file in attachment.files.items()}}
        finally:
            attachment = None
            peer.done()
            # The peer's listener is closed too by now; the memory that was handed over must be as well.
            self.assertLessEqual(descriptors(), before)

    def test_buffers_may_name_memory_of_another_frame_and_are_not_copied(self) -> None:
        one = {"allocations": [{"allocation": 7, "bytes": 8}], "more": True,
               "buffers": [{**BUFFER, "allocation": 9, "offset": 4}]}
        two = {"allocations": [{"allocation": 9, "bytes": 8}], "files": [{"name": "f", "length": 3},
                                                                        {"name": "empty", "length": 0}]}
        self.assertEqual({"w": b"efgh", "f": b"abc", "empty": b""}, self.attach([(one, 1), (two, 3)]))

    def test_in_modes_where_the_memory_is_the_engines_only_files_come_with_descriptors(self) -> None:
        message = {"allocations": [{"allocation": 7, "bytes": 1 << 40}], "buffers": [BUFFER],
                   "files": [{"name": "f", "length": 3}]}
        self.assertEqual({"f": b"abc"}, self.attach([(message, 1)], memory="Staged"))

    def test_what_no_sidecar_says_is_refused_and_every_descriptor_given_back(self) -> None:
        memory = {"allocation": 7, "bytes": 8}
        cases = {
            "one too few": ({"allocations": [memory]}, 0),
            "one too many": ({"allocations": [memory]}, 2),
            "twice the same": ({"allocations": [memory, memory]}, 2),
            "no length": ({"allocations": [{"allocation": 7}]}, 1),
            "no id": ({"allocations": [{"bytes": 8}]}, 1),
            "a file shorter than it says": ({"allocations": [{"allocation": 7, "bytes": 4097}]}, 1),
            "a length that is none": ({"allocations": [{"allocation": 7, "bytes": "8"}]}, 1),
            "a file without length": ({"files": [{"name": "f"}]}, 1),
            "a file longer than itself": ({"files": [{"name": "f", "length": 9}]}, 1),
            "a negative file": ({"files": [{"name": "f", "length": -1}]}, 1),
            "a buffer without memory": ({"buffers": [BUFFER]}, 0),
            "past the end": ({"allocations": [memory], "buffers": [{**BUFFER, "offset": 5}]}, 1),
            "before the beginning": ({"allocations": [memory], "buffers": [{**BUFFER, "offset": -4}]}, 1),
            "negative": ({"allocations": [memory], "buffers": [{**BUFFER, "length": -4}]}, 1),
            "an offset that is none": ({"allocations": [memory], "buffers": [{**BUFFER, "offset": "0"}]}, 1),
            "a shape that is none": ({"allocations": [memory], "buffers": [{**BUFFER, "shape": [None]}]}, 1),
            "a buffer without name": ({"allocations": [memory], "buffers": [{"allocation": 7}]}, 1),
            "buffers that are none": ({"allocations": [memory], "buffers": [7]}, 1),
        }
        for name, (message, carried) in cases.items():
            with self.subTest(name), self.assertRaises(ProtocolError):
                self.attach([(message, carried)])
        with self.subTest("the end within"), self.assertRaises(NoSidecar):
            self.cut()

    def cut(self) -> None:
        def script(raw: Raw) -> None:
            raw.expect("ATTACH")
            raw.say({"type": "ATTACHED", "more": True})

        with connect(Peer(self, welcomed(script, mode="Attach"))) as sidecar:
            sidecar.attach()

    def test_damage_is_told_by_its_code(self) -> None:
        def script(raw: Raw) -> None:
            raw.expect("WAIT")
            raw.say({"type": "FAILED", "code": "ChecksumMismatch", "message": "chunk 3 of pack-1"})
            raw.expect("ABORT")
            raw.say({"type": "DONE"})
            nothing(raw)

        with connect(Peer(self, welcomed(script, mode="Attach"))) as sidecar:
            with self.assertRaises(Refused) as caught:
                sidecar.wait()
            self.assertEqual(("ChecksumMismatch", "ChecksumMismatch: chunk 3 of pack-1"),
                             (caught.exception.code, str(caught.exception)))
            sidecar.abort("damaged")


class CompanionTest(unittest.TestCase):

    def setUp(self) -> None:
        soon = unittest.mock.patch("dormouse.companion._REJOIN_SECONDS", 0.01)
        soon.start()
        self.addCleanup(soon.stop)
        logging.disable(logging.WARNING)
        self.addCleanup(logging.disable, logging.NOTSET)

    def serve(self, *scripts: Any, **hooks: Any) -> Peer:
        """A companion that follows the sidecar of the scripts and comes back to the next one."""
        peer = Peer(self, *scripts)
        self.joined = []

        def join() -> Sidecar:
            sidecar = connect(peer)
            self.joined.append(sidecar)
            return sidecar

        companion = Companion(connect(peer), join, **hooks)
        self.addCleanup(companion.stop)
        return peer

    def test_it_pauses_and_goes_on_when_the_sidecar_says(self) -> None:
        said = []

        def script(raw: Raw) -> None:
            raw.say({"type": "QUIESCE", "maxPauseSeconds": 30})
            raw.expect("DONE")
            said.append("paused")
            raw.say({"type": "RESUME"})
            raw.expect("DONE")

        self.serve(welcomed(script), welcomed(nothing), quiesce=lambda: said.append("quiesce"),
                   resume=lambda: said.append("resume"))
        self.until(lambda: self.joined)
        self.assertEqual(["quiesce", "paused", "resume"], said)

    def test_it_goes_on_by_itself_when_the_pause_is_too_long_or_the_sidecar_is_gone(self) -> None:
        for seconds in (0.01, 30):
            with self.subTest(seconds=seconds):
                resumed = threading.Event()

                def script(raw: Raw) -> None:
                    raw.say({"type": "QUIESCE", "maxPauseSeconds": seconds})
                    raw.expect("DONE")
                    if seconds < 1 and not resumed.wait(10):
                        raise AssertionError("still paused")

                self.serve(welcomed(script), welcomed(nothing), quiesce=lambda: None, resume=resumed.set)
                self.until(lambda: self.joined)
                self.assertTrue(resumed.wait(10))

    def test_it_says_what_it_cannot_do_and_what_failed(self) -> None:
        answers = []

        def broken() -> None:
            raise ValueError("the device hangs")

        def script(raw: Raw) -> None:
            for asked in ("QUIESCE", "RESUME", "FETCH"):
                raw.say({"type": asked})
                answer = raw.expect("FAILED")[0]
                answers.append((answer["code"], answer["message"]))

        with self.assertLogs("dormouse.companion", "ERROR"):
            self.serve(welcomed(script), welcomed(nothing), quiesce=broken)
            self.until(lambda: self.joined)
        self.assertEqual([("EngineError", "ValueError: the device hangs"),
                          ("UnexpectedMessage", "this engine does not know RESUME"),
                          ("UnexpectedMessage", "this engine does not know FETCH")], answers)

    def test_a_sidecar_that_breaks_the_protocol_is_left_and_joined_anew(self) -> None:
        self.serve(welcomed(lambda raw: raw.send(b"\0\0\0\0")), welcomed(nothing))
        self.until(lambda: self.joined)

    def until(self, condition: Any) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.005)


if __name__ == "__main__":
    unittest.main()
