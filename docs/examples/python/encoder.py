"""A text encoder in PyTorch as a Dormouse engine: everything a module needs to sleep and wake.

    PYTHONPATH=sidecar/engines/python/src python3 docs/examples/python/encoder.py make weights.pt    # weights to serve
    ./dormouse local --image "example/torch-encoder=env PYTHONPATH=$PWD/sidecar/engines/python/src \
        /usr/bin/python3 $PWD/docs/examples/python/encoder.py serve"

docs/examples/torch.yaml declares the model. Its weights are not trained: it shows how, not how well.
"""

import os
import pathlib
import sys
import threading
from typing import List, Optional, Sequence

import torch

import dormouse.torch
from dormouse.serve import Server

WIDTH, LAYERS, BYTES = 384, 6, 256


class Encoder(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(BYTES, WIDTH)
        layer = torch.nn.TransformerEncoderLayer(WIDTH, nhead=6, dim_feedforward=4 * WIDTH, batch_first=True)
        self.layers = torch.nn.TransformerEncoder(layer, LAYERS)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(self.layers(self.embedding(ids)).mean(dim=1), dim=-1)


def fill(module: torch.nn.Module) -> None:
    """From the source: runs where there is no snapshot."""
    source = pathlib.Path(os.environ["DORMOUSE_MODEL_PATH"]) / "weights.pt"
    module.load_state_dict(torch.load(source, map_location="cpu"))


def embed(module: torch.nn.Module, texts: Sequence[str]) -> List[List[float]]:
    with torch.inference_mode():
        return [module(torch.tensor([list(text.encode()) or [0]]))[0].tolist() for text in texts]


def serve() -> None:
    loaded: Optional[dormouse.torch.Loaded] = None
    server = Server(os.environ.get("DORMOUSE_MODEL_NAME", "encoder"), aliases=[os.environ.get("DORMOUSE_MODEL", "")],
                    embeddings=lambda texts: embed(loaded.module, texts))
    server.start()
    loaded = dormouse.torch.load(Encoder, fill, engine="encoder", version="1")
    server.open()
    loaded.serving(probe=server.probe())
    print("serving,", "restored" if loaded.restored else "loaded from the source", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1:2] == ["make"] and len(sys.argv) == 3:
        torch.save(Encoder().state_dict(), sys.argv[2])
    elif sys.argv[1:] == ["serve"]:
        serve()
    else:
        sys.exit(__doc__)
