"""The rows about torch: a transformer's weights out of safetensors against out of a snapshot, logits compared.

    torch_run.py RESULT FOLDER JVM-FLAG ...

Adds its rows to the result. What cannot be measured here is said there. A run of this file with DORMOUSE_SOCKET set is one
start of the engine, in a process of its own.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

SECTION = "torch"
#: Llama-3.1-8B's sizes, and something a laptop can do.
LARGE = {"vocabulary": 128_256, "width": 4096, "layers": 32, "heads": 32, "inner": 14_336}
SMALL = {"vocabulary": 8_000, "width": 256, "layers": 4, "heads": 4, "inner": 1024}


def model(torch, sizes, device, dtype):
    """A decoder with random weights: what its layers are does not matter, that they are many and large does."""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            width, inner = sizes["width"], sizes["inner"]
            self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
            self.query = nn.Linear(width, width, bias=False)
            self.key_value = nn.Linear(width, width // 2, bias=False)
            self.out = nn.Linear(width, width, bias=False)
            self.gate, self.up = nn.Linear(width, inner, bias=False), nn.Linear(width, inner, bias=False)
            self.down = nn.Linear(inner, width, bias=False)

        def forward(self, x):
            heads, width = sizes["heads"], sizes["width"]
            size = width // heads
            y = self.before(x)
            query = self.query(y).view(*y.shape[:-1], heads, size).transpose(-2, -3)
            keys, values = self.key_value(y).view(*y.shape[:-1], heads // 2, size).transpose(-2, -3).chunk(2, dim=-3)
            keys, values = (t.repeat_interleave(4, dim=-3) for t in (keys, values))
            scores = torch.softmax((query @ keys.transpose(-1, -2)).float() / size ** 0.5, dim=-1).to(x.dtype)
            x = x + self.out((scores @ values).transpose(-2, -3).reshape(*x.shape))
            y = self.after(x)
            return x + self.down(nn.functional.silu(self.gate(y)) * self.up(y))

    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(sizes["vocabulary"], sizes["width"])
            self.blocks = nn.ModuleList(Block() for _ in range(sizes["layers"]))
            self.norm = nn.LayerNorm(sizes["width"])
            self.head = nn.Linear(sizes["width"], sizes["vocabulary"], bias=False)

        def forward(self, tokens):
            x = self.embedding(tokens)
            for block in self.blocks:
                x = block(x)
            return self.head(self.norm(x))

    return Decoder().to(device=device, dtype=dtype).eval()


def engine():
    """One start: load, one forward, say what it took, stay until told to go."""
    import torch

    import dormouse.torch

    plan = json.loads(os.environ["TORCH_RUN"])
    dtype = getattr(torch, plan["dtype"])
    started = time.perf_counter()

    def build():
        return model(torch, plan["sizes"], plan["device"], dtype)

    def fill(module):
        source(torch, module, plan)

    loaded = dormouse.torch.load(build, fill, engine="torch-run", version="1")
    took = time.perf_counter() - started
    logits = forward(torch, loaded.module, plan)
    first = time.perf_counter() - started
    companion = loaded.serving()
    print(json.dumps({"restored": loaded.restored, "load": took, "first": first, "logits": logits}), flush=True)
    sys.stdin.read()
    del companion


def source(torch, module, plan):
    """As one loads safetensors: each tensor to the device, then into the module."""
    from safetensors.torch import load_file

    module.load_state_dict(load_file(plan["file"], device=plan["device"]))


def forward(torch, module, plan):
    tokens = torch.arange(16, device=plan["device"]).unsqueeze(0)
    with torch.no_grad():
        logits = module(tokens)
    if plan["device"] != "cpu":
        torch.cuda.synchronize()
    return [round(float(value), 6) for value in logits[0, -1, :8].float().cpu()]


class Result:
    def __init__(self, path):
        self.path = Path(path)
        self.json = json.loads(self.path.read_text())

    def row(self, name, value, unit, note=None):
        row = {"section": SECTION, "name": name, "value": value, "unit": unit}
        if note:
            row["note"] = note
        self.json["rows"].append(row)
        print(f"{SECTION:<10} {name:<46} {value:12.3f} {unit:<9} {'(' + note + ')' if note else ''}")

    def missing(self, reason):
        self.json["missing"].append({"section": SECTION, "reason": reason})
        print(f"{SECTION:<10} missing: {reason}")

    def write(self):
        self.path.write_text(json.dumps(self.json, indent=1) + "\n")


def sidecar(java, folder, memory):
    """Starts the product's sidecar over a volume in the folder; ready when its socket is there."""
    volume = folder / "torch-volume"
    volume.mkdir(parents=True, exist_ok=True)
    socket = folder / "torch.sock"
    socket.unlink(missing_ok=True)
    environment = {**os.environ, "POD_IP": "127.0.0.1", "POD_UID": "torch-run", "DORMOUSE_MODEL": "torch/run",
                   "DORMOUSE_HTTP_PORT": "0", "DORMOUSE_SOCKET": str(socket), "DORMOUSE_VOLUME": str(volume),
                   "DORMOUSE_SNAPSHOT_KEY": "7e" * 32, "DORMOUSE_DEVICE": memory}
    with open(folder / "torch-sidecar.log", "ab") as log:
        process = subprocess.Popen([*java, "dev.dormouse.sidecar.agent.AgentMain"], env=environment, stdout=log, stderr=log)
    deadline = time.monotonic() + 60
    while not socket.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise RuntimeError("the sidecar did not start; see " + str(folder / "torch-sidecar.log"))
        time.sleep(0.01)
    return process, socket


def start(plan, socket):
    environment = {**os.environ, "DORMOUSE_SOCKET": str(socket), "TORCH_RUN": json.dumps(plan)}
    process = subprocess.Popen([sys.executable, __file__], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               text=True)
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("the engine ended without a word, exit status " + str(process.wait()))
    return process, json.loads(line)


def stop(process):
    process.kill()
    process.wait()


def saved(volume):
    return any((volume / "snapshots").glob("*/manifest.json"))


def measure(torch, result, java, folder, memory, plan):
    process, socket = sidecar(java, folder, memory)
    try:
        cold_engine, cold = start(plan, socket)
        deadline = time.monotonic() + 600
        while not saved(folder / "torch-volume"):
            if time.monotonic() > deadline:
                raise RuntimeError("no snapshot was saved within 600 s")
            time.sleep(0.05)
        stop(cold_engine)
    finally:
        stop(process)
    process, socket = sidecar(java, folder, memory)
    try:
        warm_engine, warm = start(plan, socket)
        stop(warm_engine)
    finally:
        stop(process)
    if not warm["restored"]:
        raise RuntimeError("the second start did not restore")
    name = memory.lower()
    result.row(f"load from safetensors, first start ({name})", cold["load"], "s", "with the copy into the sidecar's memory")
    result.row(f"restore ({name})", warm["load"], "s")
    result.row(f"safetensors : restore ({name})", cold["load"] / warm["load"], "ratio", "goal 3")
    result.row(f"start to first forward, restored ({name})", warm["first"], "s")
    result.row(f"logits equal ({name})", float(cold["logits"] == warm["logits"]), "bool")
    return cold["logits"] == warm["logits"]


def main():
    result = Result(sys.argv[1])
    folder = Path(sys.argv[2])
    java = [os.environ["JAVA"], *sys.argv[3:]]
    good = True
    try:
        try:
            import torch
        except ImportError as e:
            result.missing(f"python3 has no torch: {e}")
            return 0
        try:
            import safetensors.torch
        except ImportError as e:
            result.missing(f"python3 has no safetensors: {e}")
            return 0
        gpu = torch.cuda.is_available()
        if not gpu:
            result.missing("torch sees no GPU: 8B parameters on the device; a small model on the CPU instead")
        sizes = LARGE if gpu else SMALL
        plan = {"sizes": sizes, "device": "cuda" if gpu else "cpu", "dtype": "bfloat16" if gpu else "float32",
                "file": str(folder / "model.safetensors")}
        torch.manual_seed(1)
        module = model(torch, sizes, plan["device"], getattr(torch, plan["dtype"]))
        result.row("parameters", sum(p.numel() for p in module.parameters()) / 1e9, "1e9")
        safetensors.torch.save_file({k: v.contiguous() for k, v in module.state_dict().items()}, plan["file"])
        begun = time.perf_counter()
        source(torch, module, plan)
        result.row("safetensors.torch.load_file and load_state_dict", time.perf_counter() - begun, "s", "from page cache")
        del module
        for memory in (("Owned", "Staged", "Ipc") if gpu else ("Host",)):
            try:
                good &= measure(torch, result, java, folder, memory, plan)
            except (RuntimeError, OSError, ValueError) as e:
                good = False
                result.missing(f"{memory}: {e}")
            for path in sorted((folder / "torch-volume").rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
    finally:
        (folder / "model.safetensors").unlink(missing_ok=True)
        result.write()
    return 0 if good else 1


if __name__ == "__main__":
    if "TORCH_RUN" in os.environ:
        engine()
    else:
        sys.exit(main())
