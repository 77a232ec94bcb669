"""An engine as its own process: a torch module with tied and odd tensors behind the small server.

Prints one line of JSON when it serves. Its weights depend on the seed it is given, which a restore must not need.
"""

import json
import sys
from typing import List, Sequence

import torch

import dormouse.torch
from dormouse.serve import Server


class Odd(torch.nn.Module):
    """Tied weights, a transposed and a sliced view, bf16, an empty tensor, a buffer that no state_dict shows."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(256, 64)
        self.head = torch.nn.Linear(64, 256, bias=False)
        self.head.weight = self.embed.weight
        self.mix = torch.nn.Parameter(torch.empty(64, 32).t())
        self.slim = torch.nn.Parameter(torch.empty(100, 64)[10:13])
        self.narrow = torch.nn.Parameter(torch.empty(64, 33, dtype=torch.bfloat16))
        self.none = torch.nn.Parameter(torch.empty(0, 3))
        self.register_buffer("scale", torch.empty(()), persistent=False)
        self.register_buffer("ids", torch.empty(5, dtype=torch.int64))
        self.register_buffer("mask", torch.empty(7, dtype=torch.bool))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        hidden = self.embed(ids).mean(0)
        mixed = self.mix @ hidden
        return torch.cat([self.head(hidden), mixed * self.scale, self.slim @ hidden,
                          (hidden.to(torch.bfloat16) @ self.narrow).float(), self.ids.float(), self.mask.float()])


def fill(seed: int):
    def filler(module: torch.nn.Module) -> None:
        generator = torch.Generator().manual_seed(seed)
        seen = set()
        with torch.no_grad():
            for _, tensor in dormouse.torch.named_tensors(module):
                if tensor.data_ptr() in seen:
                    continue
                seen.add(tensor.data_ptr())
                values = torch.randn(tensor.shape, generator=generator)
                tensor.copy_(values > 0 if tensor.dtype == torch.bool else values * 10)

    return filler


def embed(module: torch.nn.Module, texts: Sequence[str]) -> List[List[float]]:
    with torch.inference_mode():
        return [module(torch.tensor(list(text.encode()) or [0])).tolist() for text in texts]


def main() -> None:
    loaded = None
    server = Server("odd", embeddings=lambda texts: embed(loaded.module, texts))
    server.start()
    loaded = dormouse.torch.load(Odd, fill(int(sys.argv[1])), engine="odd", version="1")
    server.open()
    companion = loaded.serving(probe=server.probe())
    print(json.dumps({"restored": loaded.restored, "port": server.port}), flush=True)
    sys.stdin.read()
    if companion is not None:
        companion.stop()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
