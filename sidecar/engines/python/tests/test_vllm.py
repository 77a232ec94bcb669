"""The loader plugin, with a double of the parts of vLLM that it touches, torch itself, and a real sidecar.

The double has what vLLM documents and no more: the abstract methods of ``BaseModelLoader`` with their signatures, the order
in which its ``load_model`` calls them, ``register_model_loader`` and ``get_model_loader``, and that general plugins are found
by their entry points (docs.vllm.ai, 0.11.2 and 0.32.0: api/vllm/model_executor/model_loader, design/plugin_system).
"""

import abc
import dataclasses
import importlib
import importlib.util
import os
import pathlib
import re
import shutil
import sys
import tempfile
import types
import unittest
import unittest.mock
from typing import Any, Dict, List, Optional

import dormouse.vllm
from dormouse.errors import DormouseError
from dormouse.serve import Server

import standin
from sidecar import Pod, until

HAVE_TORCH = importlib.util.find_spec("torch") is not None


@dataclasses.dataclass
class LoadConfig:
    load_format: str = "dormouse"
    model_loader_extra_config: Dict[str, Any] = dataclasses.field(default_factory=dict)


class BaseModelLoader(abc.ABC):
    """As vLLM's: whoever extends it says how weights come into a model that is there."""

    def __init__(self, load_config: LoadConfig) -> None:
        self.load_config = load_config

    @abc.abstractmethod
    def download_model(self, model_config: Any) -> None:
        raise NotImplementedError

    @abc.abstractmethod
    def load_weights(self, model: Any, model_config: Any) -> None:
        raise NotImplementedError

    def load_model(self, vllm_config: Any, model_config: Any, prefix: str = "") -> Any:
        model = vllm_config.initialize_model(model_config)
        self.load_weights(model, model_config)
        with _torch().no_grad():
            for parameter in model.parameters():
                parameter.mul_(2)  # As a quantization method does: in place, in memory that must be vLLM's own.
        return model.eval()


class DefaultModelLoader(BaseModelLoader):
    read: List[str] = []

    def __init__(self, load_config: LoadConfig) -> None:
        super().__init__(load_config)
        if load_config.model_loader_extra_config.keys() - {"num_threads"}:
            raise ValueError("Unexpected extra config keys")

    def download_model(self, model_config: Any) -> None:
        self.read.append(f"{model_config.model} downloaded")

    def load_weights(self, model: Any, model_config: Any) -> None:
        self.read.append(self.load_config.load_format)
        with _torch().no_grad():
            for i, parameter in enumerate(model.parameters()):
                parameter.copy_(_torch().arange(parameter.numel()).reshape(parameter.shape) + i)


def _torch() -> Any:
    import torch

    return torch


def double() -> Dict[str, types.ModuleType]:
    """vllm, as far as the plugin looks into it."""
    registry: Dict[str, Any] = {}

    def register_model_loader(load_format: str) -> Any:
        def register(loader: Any) -> Any:
            if not issubclass(loader, BaseModelLoader):
                raise ValueError("The model loader must be a subclass of `BaseModelLoader`.")
            registry[load_format] = loader
            return loader

        return register

    def get_model_loader(load_config: LoadConfig) -> BaseModelLoader:
        if load_config.load_format not in registry:
            raise ValueError(f"Load format `{load_config.load_format}` is not supported")
        return registry[load_config.load_format](load_config)  # type: ignore[no-any-return]

    modules = {}
    for name, contents in (("vllm", {"__version__": "0.32.0"}), ("vllm.model_executor", {}),
                           ("vllm.model_executor.model_loader", {"register_model_loader": register_model_loader,
                                                                 "get_model_loader": get_model_loader}),
                           ("vllm.model_executor.model_loader.base_loader", {"BaseModelLoader": BaseModelLoader}),
                           ("vllm.model_executor.model_loader.default_loader",
                            {"DefaultModelLoader": DefaultModelLoader})):
        modules[name] = types.ModuleType(name)
        vars(modules[name]).update(contents)
    return modules


class VllmTest(unittest.TestCase):

    def setUp(self) -> None:
        modules = double()
        sys.modules.update(modules)
        # Not all that has come since: torch cannot be imported twice.
        self.addCleanup(lambda: [sys.modules.pop(name) for name in modules])
        self.loaders = modules["vllm.model_executor.model_loader"]
        DefaultModelLoader.read.clear()
        self.addCleanup(self.leave)
        self.config = types.SimpleNamespace(model="/models/m", served_model_name=["m", "ns/m"], dtype="torch.float32",
                                            quantization=None, revision=None, runner_type="pooling")

    def leave(self) -> None:
        for announcer in dormouse.vllm._announcers:
            announcer.stop()
        dormouse.vllm._announcers.clear()

    def loader(self, **extra: Any) -> Any:
        dormouse.vllm.register()
        dormouse.vllm.register()
        return vars(self.loaders)["get_model_loader"](LoadConfig(model_loader_extra_config=extra))

    def holding(self, model: Any) -> Any:
        """vLLM's configuration, as far as a loader looks into it: it makes this model."""
        return types.SimpleNamespace(initialize_model=lambda model_config: model)

    def model(self) -> Any:
        """Tied weights, a buffer, two types; values that no checkpoint has."""
        torch = _torch()
        model = torch.nn.Module()
        model.embed = torch.nn.Embedding(32, 8)
        model.head = torch.nn.Linear(8, 32, bias=False)
        model.head.weight = model.embed.weight
        model.half = torch.nn.Linear(8, 3, dtype=torch.bfloat16)
        model.register_buffer("cache", torch.arange(5.0), persistent=False)
        return model

    def values(self, model: Any) -> List[Any]:
        return [parameter.tolist() for parameter in model.parameters()]

    def test_it_is_registered_and_leaves_options_that_are_not_its_own_to_the_loader_of_checkpoints(self) -> None:
        self.loader(timeout=3, num_threads=4).download_model(self.config)
        self.assertEqual(["/models/m downloaded"], DefaultModelLoader.read)
        with self.assertRaisesRegex(ValueError, "Unexpected extra config keys"):
            self.loader(tiemout=3)

    def test_it_is_found_by_the_entry_point_that_vllm_looks_for(self) -> None:
        project = (pathlib.Path(__file__).parents[1] / "pyproject.toml").read_text()
        entry = re.search(r'\[project\.entry-points\."vllm\.general_plugins"\]\ndormouse = "([\w.]+):(\w+)"', project)
        assert entry is not None
        getattr(importlib.import_module(entry[1]), entry[2])()
        self.assertEqual("DormouseModelLoader", type(self.loader()).__name__)

    def test_a_vllm_that_knows_no_loaders_of_others_goes_on_without(self) -> None:
        del vars(self.loaders)["register_model_loader"]
        with self.assertLogs("dormouse.vllm", "WARNING") as said:
            dormouse.vllm.register()
        self.assertIn("0.32.0 has no register_model_loader", said.output[0])

    def test_the_warmup_request_is_one_that_the_model_answers(self) -> None:
        self.assertEqual("/v1/embeddings", dormouse.vllm._probe(self.config)["path"])
        self.config.runner_type = "generate"
        self.config.served_model_name = None
        self.assertEqual({"path": "/v1/completions", "item": '"The dormouse sleeps."',
                          "body": '{"model": "/models/m", "prompt": "@batch", "max_tokens": 4}'},
                         dormouse.vllm._probe(self.config))

    @unittest.skipUnless(HAVE_TORCH, "needs torch, which this python3 does not have")
    def test_without_a_sidecar_vllm_loads_as_always(self) -> None:
        with unittest.mock.patch.dict(os.environ, {"DORMOUSE_SOCKET": ""}):
            self.loader().load_model(vllm_config=self.holding(self.model()), model_config=self.config)
        self.assertEqual(["auto"], DefaultModelLoader.read)

    @unittest.skipUnless(HAVE_TORCH, "needs torch, which this python3 does not have")
    def test_what_cannot_be_saved_is_refused_with_what_to_do(self) -> None:
        torch = _torch()
        model = self.model()
        model.late = torch.nn.Parameter(torch.empty(3, device="meta"))
        with unittest.mock.patch.dict(os.environ, {"DORMOUSE_SOCKET": "/nowhere"}):
            with self.assertRaisesRegex(DormouseError, "late and 0 more .*online quantization"):
                self.loader().load_model(vllm_config=self.holding(model), model_config=self.config)
            with unittest.mock.patch("torch.distributed.is_available", return_value=True), \
                    unittest.mock.patch("torch.distributed.is_initialized", return_value=True, create=True), \
                    unittest.mock.patch("torch.distributed.get_world_size", return_value=2, create=True), \
                    self.assertRaisesRegex(DormouseError, "has 2 processes.*one GPU for each replica"):
                self.loader().load_model(vllm_config=self.holding(self.model()), model_config=self.config)

    @unittest.skipUnless(HAVE_TORCH, "needs torch, which this python3 does not have")
    def test_the_first_start_saves_and_the_next_one_reads_no_checkpoint(self) -> None:
        for mode in ("Host", "Staged"):
            with self.subTest(mode=mode), tempfile.TemporaryDirectory() as folder:
                pod = Pod(folder)
                self.addCleanup(pod.stop)
                results = []
                for start in (1, 2):
                    DefaultModelLoader.read.clear()
                    self.start(pod, mode)
                    results.append(self.serve(pod, mode, outlives=start == 2))
                    self.assertEqual(["auto"] if start == 1 else [], DefaultModelLoader.read)
                    pod.kill()
                self.assertEqual(results[0], results[1])

    def start(self, pod: Pod, mode: str) -> None:
        pod.start(standin.jvm(), DORMOUSE_DEVICE=mode, DORMOUSE_FITNESS_SKIP="memory,disk")

    def serve(self, pod: Pod, mode: str, outlives: bool) -> List[Any]:
        """Until the replica is ready.

        :param outlives: whether other sidecars come while it serves: one with the snapshot, and one that has none
        """
        server: Optional[Server] = None
        with unittest.mock.patch.dict(os.environ, {"DORMOUSE_SOCKET": pod.socket, "POD_IP": "127.0.0.1",
                                                   "DORMOUSE_ENGINE_PORT": str(pod.engine_port)}):
            try:
                model = self.loader().load_model(vllm_config=self.holding(self.model()), model_config=self.config)
                # Another model in the same process, a draft model say, is none of the sidecar's business.
                read = len(DefaultModelLoader.read)
                self.loader().load_model(vllm_config=self.holding(self.model()), model_config=self.config)
                self.assertEqual(read + 1, len(DefaultModelLoader.read))
                del DefaultModelLoader.read[read:]
                server = Server("m", embeddings=lambda texts: [[0.0] for _ in texts], port=pod.engine_port)
                server.start()
                server.open()
                pod.await_phase("Ready")
                until(pod.snapshots, "a snapshot")
                for emptied in (False, True) if outlives else ():
                    pod.kill()
                    if emptied:
                        shutil.rmtree(pod.volume)
                        pod.volume.mkdir()
                    self.start(pod, mode)
                    pod.await_phase("Ready")
                    self.assertEqual(emptied, not pod.snapshots())
                return self.values(model)
            finally:
                self.leave()
                if server is not None:
                    server.stop()


if __name__ == "__main__":
    unittest.main()
