"""Frames that are cut, split, merged, too long, or bring other descriptors than they say (design §7, Protocol)."""

import json
import os
import random
import resource
import socket
import threading
import unittest

from dormouse import wire
from dormouse.errors import NoSidecar, ProtocolError

from peer import Raw, descriptors, frame, memory_file


class WireTest(unittest.TestCase):

    def setUp(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.settimeout(10)
        self.channel, self.peer = wire.Channel(ours), Raw(theirs)
        self.addCleanup(self.channel.close)
        self.addCleanup(self.peer.close)
        self.file = memory_file(b"content")
        self.addCleanup(os.close, self.file)

    def refused(self, saying: str) -> None:
        """The next frame is refused, and no descriptor of it stays open."""
        before = descriptors()
        with self.assertRaisesRegex(ProtocolError, saying):
            self.channel.receive()
        self.assertEqual(before, descriptors())

    def test_a_message_arrives_with_its_descriptors_which_no_child_process_inherits(self) -> None:
        self.channel.send({"type": "PUT_FILE", "name": "ü"}, [self.file])
        message, received = self.peer.expect("PUT_FILE")
        self.assertEqual({"type": "PUT_FILE", "name": "ü", "fds": 1}, message)
        self.assertEqual(b"content", os.pread(received[0], 100, 0))
        self.assertFalse(os.get_inheritable(received[0]))
        os.close(received[0])

    def test_the_most_descriptors_a_frame_may_bring_all_arrive(self) -> None:
        self.peer.say({"type": "ATTACHED"}, [self.file] * wire.MAX_DESCRIPTORS)
        _, received = self.channel.receive()
        for descriptor in received:
            os.close(descriptor)
        self.assertEqual(wire.MAX_DESCRIPTORS, len(received))

    def test_a_frame_that_arrives_byte_by_byte_is_read_whole(self) -> None:
        data = frame({"type": "ALLOCATED", "fds": 1})

        def drip() -> None:
            self.peer.send(data[:1], [self.file])
            for i in range(1, len(data)):
                self.peer.send(data[i:i + 1])

        thread = threading.Thread(target=drip)
        thread.start()
        message, received = self.channel.receive()
        thread.join()
        os.close(received[0])
        self.assertEqual("ALLOCATED", message["type"])

    def test_frames_that_arrive_together_keep_their_own_descriptors(self) -> None:
        self.peer.send(frame({"type": "A"}))
        self.peer.send(frame({"type": "B", "fds": 2}), [self.file, self.file])
        self.peer.send(frame({"type": "C"}))
        counts = []
        for _ in range(3):
            message, received = self.channel.receive()
            counts.append((message["type"], len(received)))
            for descriptor in received:
                os.close(descriptor)
        self.assertEqual([("A", 0), ("B", 2), ("C", 0)], counts)

    def test_a_large_frame_goes_through_a_socket_that_takes_little_at_a_time(self) -> None:
        text = "x" * (4 << 20)
        thread = threading.Thread(target=lambda: self.channel.send({"type": "PUT_META", "text": text}, [self.file]))
        thread.start()
        message, received = self.peer.expect("PUT_META")
        thread.join()
        os.close(received[0])
        self.assertEqual(text, message["text"])

    def test_lengths_out_of_bounds_are_refused_before_anything_is_read(self) -> None:
        for length in (0, wire.MAX_FRAME + 1, 0x7FFFFFFF, 0xFFFFFFFF):
            with self.subTest(length=length):
                self.setUp()
                self.peer.send(frame({"type": "A"}, length), [self.file])
                self.refused(f"a frame of {length} bytes")

    def test_other_descriptors_than_announced_are_refused_and_closed(self) -> None:
        for announced, carried in ((1, 0), (0, 1), (2, 1), (1, 2), (None, 1), ("1", 1), (-1, 0), ([1], 1)):
            with self.subTest(announced=announced, carried=carried):
                self.setUp()
                self.peer.send(frame({"type": "ALLOCATED", "fds": announced}), [self.file] * carried)
                self.refused("descriptors and comes with")

    def test_an_absent_number_of_descriptors_may_be_written_as_null(self) -> None:
        self.peer.send(frame({"type": "DONE", "fds": None}))
        self.assertEqual([], self.channel.receive()[1])

    def test_a_control_message_that_was_cut_short_is_refused_and_what_came_is_closed(self) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        free = os.dup(self.file)
        os.close(free)
        self.peer.send(frame({"type": "ATTACHED", "fds": 8}), [self.file] * 8)
        # Room for a part of them only: the kernel installs what it can and says that it cut.
        resource.setrlimit(resource.RLIMIT_NOFILE, (free + 3, hard))
        try:
            with self.assertRaisesRegex(ProtocolError, "cut short"):
                self.channel.receive()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        self.assertEqual(free, os.dup(self.file))
        os.close(free)

    def test_a_body_that_is_no_message_is_refused(self) -> None:
        for body in (b"{", b"[]", b"null", b'"HELLO"', b"{}", b'{"type":null}', b'{"type":7}', b"\xff\xfe", b"[" * 50_000):
            with self.subTest(body=body[:20]):
                self.setUp()
                self.peer.send(frame(body), [self.file])
                self.refused("a frame is no")

    def test_the_end_between_frames_is_an_end_and_the_end_within_one_is_an_error(self) -> None:
        for sent in (b"\0\0", frame({"type": "A"})[:-1]):
            with self.subTest(sent=sent):
                self.setUp()
                self.peer.send(sent, [self.file])
                self.peer.close()
                self.refused("the connection ended after")
        self.setUp()
        self.peer.close()
        self.assertIsNone(self.channel.receive())

    def test_what_cannot_be_sent_is_refused_before_a_byte_of_it_is(self) -> None:
        with self.assertRaisesRegex(ValueError, "254 descriptors in one frame; at most 253"):
            self.channel.send({"type": "A"}, [self.file] * 254)
        with self.assertRaisesRegex(ValueError, "PUT_META has 16777245 bytes"):
            self.channel.send({"type": "PUT_META", "text": "x" * (wire.MAX_FRAME)})
        self.channel.send({"type": "B"})
        self.peer.expect("B")

    def test_a_peer_that_is_gone_is_named_so_when_sending(self) -> None:
        self.peer.close()
        with self.assertRaisesRegex(NoSidecar, "the sidecar closed the connection"):
            self.channel.send({"type": "A"})

    def test_a_peer_that_says_nothing_in_time_is_given_up(self) -> None:
        self.channel.timeout(0.01)
        with self.assertRaises(TimeoutError):
            self.channel.receive()

    def test_random_bytes_are_never_a_crash_and_never_leave_a_descriptor_open(self) -> None:
        before = descriptors()
        source = random.Random(7)
        for _ in range(300):
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            with ours, theirs:
                channel, peer = wire.Channel(ours), Raw(theirs)
                data = bytearray(frame({"type": "ALLOCATED", "fds": 1, "allocation": 3}))
                for _ in range(source.randint(0, 3)):
                    data[source.randrange(4 if source.random() < .5 else len(data))] = source.randrange(256)
                peer.send(bytes(data[:source.randint(1, len(data))]), [self.file] * source.randint(0, 2))
                theirs.shutdown(socket.SHUT_WR)
                try:
                    message, received = channel.receive()
                except ProtocolError:
                    continue
                self.assertIsInstance(json.dumps(message), str)
                for descriptor in received:
                    os.close(descriptor)
        self.assertEqual(before, descriptors())


if __name__ == "__main__":
    unittest.main()
