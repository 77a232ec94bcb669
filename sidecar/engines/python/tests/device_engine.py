"""An engine whose weights are on a GPU, or in its own process: ``SEED PLACE [BYTES [keep]]``, PLACE is device or host.

``keep``: another sidecar is told that it goes on with the weights it has, and no more. Prints a line of JSON for every sidecar that it joins: how it came by its weights, and their hash.
"""

import hashlib
import json
import os
import random
import sys
from typing import Dict, List, Optional

from dormouse import Buffer, BufferType, Mode, Refused, Sidecar
from dormouse.companion import Companion
from dormouse.cuda import Context
from dormouse.device import IN_PROCESS, ON_DEVICE, DeviceMemory
from dormouse.serve import Server

#: Larger than a ring's slot, smaller than a page, and one that is not a multiple of anything.
LENGTHS = (9 << 20, 100, (2 << 20) + 12_345)


class Engine:

    def __init__(self, seed: int, place: str, more: int, keep: bool) -> None:
        self.more = more
        self.keep = keep
        self.seed = seed
        self.context: Optional[Context] = Context() if place == "device" else None
        self.server = Server(os.environ.get("DORMOUSE_MODEL_NAME", "device"), embeddings=lambda texts: [[0.0] for _ in texts])
        self.memory: Optional[DeviceMemory] = None
        self.content: Dict[str, bytes] = {}
        self.buffers: Dict[str, Buffer] = {}
        self.companion: Optional[Companion] = None
        #: What the sidecar has had it do: it holds still while it is captured.
        self.paused: List[str] = []

    def join(self) -> Sidecar:
        """Also after a restart of the sidecar, which then finds us with weights that it does not know."""
        sidecar = Sidecar.connect("device", "1", {"layout": "1"}, memory=ON_DEVICE if self.context else IN_PROCESS)
        if self.keep and self.memory is not None:
            return self.go_on(sidecar, self.memory)
        memory = DeviceMemory.of(sidecar, self.context)
        try:
            if sidecar.mode == Mode.CREATE:
                self.create(sidecar, memory)
            else:
                self.attach(sidecar, memory)
            self.server.open()
            sidecar.ready(probe=self.server.probe())
        except Refused as e:
            self.say(sidecar, refused=e.code)
            self.give_up(sidecar, memory)
            return self.join()
        except BaseException:
            self.give_up(sidecar, memory)
            raise
        if self.memory is not None:
            self.memory.close()  # Nobody uses what we had before: the weights are read from where they are now.
        self.memory = memory
        if self.companion is not None:
            self.companion.requests = memory.requests
        self.say(sidecar)
        return sidecar

    def go_on(self, sidecar: Sidecar, memory: DeviceMemory) -> Sidecar:
        """It serves from what it has, and the sidecar is told no more than that."""
        try:
            sidecar.ready(probe=self.server.probe())
        except BaseException:
            sidecar.close()
            raise
        self.content = {name: self.read(memory, buffer) for name, buffer in self.buffers.items()}
        self.say(sidecar)
        return sidecar

    def give_up(self, sidecar: Sidecar, memory: DeviceMemory) -> None:
        sidecar.leave()
        sidecar.close()
        memory.close()

    def create(self, sidecar: Sidecar, memory: DeviceMemory) -> None:
        source = random.Random(self.seed)
        if not self.content:
            self.content = {f"w{i}": bytes(n // 2) + source.randbytes(n - n // 2) for i, n in enumerate(LENGTHS)}
            self.content["z"] = source.randbytes(self.more)
        buffers: List[Buffer] = []
        for name, data in self.content.items():
            region = memory.allocate(len(data) + 7)
            self.write(memory, region.id, region.address, data)
            buffers.append(Buffer(name, region.id, 0, len(data), BufferType.WEIGHTS, "u8", (len(data),)))
        sidecar.put(buffers)
        sidecar.put_file("about.json", b"{}")
        memory.commit()

    def attach(self, sidecar: Sidecar, memory: DeviceMemory) -> None:
        attachment = memory.attach()
        sidecar.wait()
        if bytes(attachment.files["about.json"]) != b"{}":
            raise AssertionError("the file is another")
        self.buffers = attachment.buffers
        self.content = {name: self.read(memory, buffer) for name, buffer in self.buffers.items()}

    def write(self, memory: DeviceMemory, allocation: int, address: int, data: bytes) -> None:
        if self.context is not None:
            self.context.write(address, data)
        else:
            view = memory.range(allocation, 0, len(data))
            view[:] = data

    def read(self, memory: DeviceMemory, buffer: Buffer) -> bytes:
        what = memory.bytes_of(buffer)
        if self.context is None:
            return bytes(what)
        interface = what.__cuda_array_interface__
        return self.context.read(interface["data"][0], interface["shape"][0])

    def say(self, sidecar: Sidecar, refused: Optional[str] = None) -> None:
        digest = hashlib.sha256()
        for name in sorted(self.content):
            digest.update(self.content[name])
        print(json.dumps({"mode": sidecar.mode, "memory": sidecar.memory, "refused": refused,
                          "hash": digest.hexdigest(), "paused": self.paused, "descriptors": len(os.listdir("/proc/self/fd"))}), flush=True)

    def run(self) -> None:
        self.server.start()
        first = self.join()
        self.companion = Companion(first, self.join, quiesce=lambda: self.paused.append("quiesce"),
                                   resume=lambda: self.paused.append("resume"), requests=self.memory.requests if self.memory else None)
        sys.stdin.read()
        self.companion.stop()


if __name__ == "__main__":
    Engine(int(sys.argv[1]), sys.argv[2], int((sys.argv[3:] or ["1"])[0]), "keep" in sys.argv).run()
