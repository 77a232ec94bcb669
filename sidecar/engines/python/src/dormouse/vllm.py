"""``vllm serve … --load-format dormouse``: weights out of a snapshot, vLLM's own loading where there is none.

Experimental: written against vLLM's documented interfaces (``vllm.general_plugins``, ``register_model_loader``,
``BaseModelLoader``, which are the same from 0.10 to 0.32) and tested against a double of them, not yet run with vLLM.

What is saved are the weights as the loading of a checkpoint leaves them, before kernels repack them: the loader replaces
``load_weights`` and nothing else, so that quantization methods and attention layers process them as always. They are
copied into vLLM's own memory, for that processing may write in place.
"""

import dataclasses
import json
import logging
import time
from typing import Any, Callable, Dict, List, Mapping, Optional

from .announce import Announcer
from .client import Memory, Mode, Sidecar, socket_path
from .companion import Request
from .errors import DormouseError, Refused
from .wire import Message

_LOG = logging.getLogger(__name__)
_TRIES = 3
_OPTIONS = ("timeout",)
#: Where the sidecar owns the memory or has it mapped, a copy would hold the GPU's memory twice for ever.
_MODES = (Memory.STAGED, Memory.HOST)

#: One model of this process is the sidecar's; a draft model, or the same one loaded again, is vLLM's own affair.
_announcers: List[Announcer] = []


def register() -> None:
    """The plugin's entry point: vLLM calls it in each of its processes, and maybe again."""
    try:
        from vllm.model_executor.model_loader import register_model_loader
    except ImportError:
        # Nothing guards vLLM's start from what a plugin raises, and other load formats need nothing of us.
        _LOG.warning("vLLM %s has no register_model_loader: the load format dormouse needs 0.10 or later", _version())
        return
    from vllm.model_executor.model_loader.base_loader import BaseModelLoader
    from vllm.model_executor.model_loader.default_loader import DefaultModelLoader

    class DormouseModelLoader(BaseModelLoader):  # type: ignore[misc, valid-type]

        def __init__(self, load_config: Any) -> None:
            super().__init__(load_config)
            extra = dict(load_config.model_loader_extra_config or {})
            self._options = {name: extra.pop(name) for name in _OPTIONS if name in extra}
            # The rest is for the loader of checkpoints, which says what it does not know.
            self._source = DefaultModelLoader(dataclasses.replace(load_config, load_format="auto",
                                                                  model_loader_extra_config=extra))

        def download_model(self, model_config: Any) -> None:
            self._source.download_model(model_config)

        def load_weights(self, model: Any, model_config: Any) -> None:
            load(model, model_config, lambda: self._source.load_weights(model, model_config), **self._options)

    register_model_loader("dormouse")(DormouseModelLoader)


def load(model: Any, model_config: Any, from_source: Callable[[], None], *, engine: str = "vllm",
         version: Optional[str] = None, timeout: float = 60.0) -> None:
    """Fills a model's weights, and has the sidecar told once the server answers.

    :param from_source: fills them from the checkpoint
    :param version: the engine's; vLLM's own by default
    :param timeout: seconds for a sidecar to listen
    """
    path = socket_path()
    if path is None or _announcers:
        from_source()
        return
    import torch

    _check(model, torch)
    wanted = {engine: version or _version(), **_compatibility(model, model_config, torch)}

    def connect() -> Sidecar:
        return Sidecar.connect(engine, wanted[engine], wanted, path=path, timeout=timeout, memory=_MODES)

    for attempt in range(1, _TRIES + 1):
        sidecar = connect()
        try:
            started = time.monotonic()
            requests: Mapping[str, Request] = {}
            if sidecar.mode == Mode.ATTACH:
                _restore(sidecar, model, torch)
            else:
                from_source()
                if sidecar.mode == Mode.CREATE:
                    requests = _save(sidecar, model)
            micros = int((time.monotonic() - started) * 1e6)
            _LOG.info("weights by %s in %d ms", sidecar.mode, micros // 1000)
            _announcers.append(Announcer(
                sidecar, lambda: _again(connect()), probe=_probe(model_config), requests=requests,
                phases=[{"name": "weight_load", "state": "Done", "micros": micros}]))
            return
        except Refused as e:
            sidecar.close()
            if sidecar.mode != Mode.ATTACH or attempt == _TRIES:
                raise
            _LOG.warning("the snapshot is refused, asking again: %s", e)
        except BaseException:
            sidecar.close()
            raise


def _check(model: Any, torch: Any) -> None:
    if torch.distributed.is_available() and torch.distributed.is_initialized() \
            and torch.distributed.get_world_size() > 1:
        raise DormouseError(f"this engine has {torch.distributed.get_world_size()} processes, and a sidecar serves one: "
                            "use one GPU for each replica, or another load format")
    from .torch import named_tensors

    unborn = [name for name, tensor in named_tensors(model) if tensor.is_meta]
    if unborn:
        raise DormouseError(f"{unborn[0]} and {len(unborn) - 1} more come into being only while the checkpoint is read "
                            "(online quantization): load a checkpoint that is quantized already, or use another load "
                            "format")


def _compatibility(model: Any, model_config: Any, torch: Any) -> Dict[str, str]:
    from .torch import hash_of, named_tensors

    wanted = {"torch": torch.__version__, "dtype": str(model_config.dtype),
              "quantization": str(getattr(model_config, "quantization", None)),
              "revision": str(getattr(model_config, "revision", None)), "layout": hash_of(model)}
    device = next((tensor.device for _, tensor in named_tensors(model)), None)
    if device is not None and device.type == "cuda":
        wanted["arch"] = "sm_{}{}".format(*torch.cuda.get_device_capability(device))
    return wanted


def _version() -> str:
    import vllm

    return str(getattr(vllm, "__version__", "unknown"))


def _restore(sidecar: Sidecar, model: Any, torch: Any) -> None:
    from .torch import named_tensors, restore
    from .torch_memory import DeviceTensors, context_of, tensors_of

    targets = dict(named_tensors(model))
    device = next(iter(targets.values())).device
    memory = tensors_of(sidecar, context_of(device))
    try:
        attachment = memory.attach()
        sidecar.wait()
        tensors = restore(attachment, memory)
        missing = sorted(targets.keys() ^ tensors.keys())
        if missing:
            raise DormouseError(f"the model and its snapshot differ in {missing[0]!r} and {len(missing) - 1} more, though "
                                "their layout has the same hash")
        with torch.no_grad():
            for name, target in targets.items():
                target.data.copy_(tensors[name])
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    finally:
        tensors = {}
        if isinstance(memory, DeviceTensors):
            memory.memory.close()


def _save(sidecar: Sidecar, model: Any) -> Mapping[str, Request]:
    """Gives the sidecar a copy, in host memory: the GPU's is measured by vLLM right after this."""
    from .torch import named_tensors, save
    from .torch_memory import DeviceTensors, tensors_of

    memory = tensors_of(sidecar, None)
    save(sidecar, dict(named_tensors(model)), memory)
    if not isinstance(memory, DeviceTensors):
        return {}
    copies, fetch = memory.memory, memory.requests["FETCH"]

    def fetched(message: Message, descriptors: Any) -> Message:
        answer = fetch(message, descriptors)
        if message.get("slots") == 0:
            copies.close()  # Saved: nobody needs the copy any more.
        return answer

    return {"FETCH": fetched}


def _again(sidecar: Sidecar) -> Sidecar:
    """A sidecar has restarted. What serves has been repacked for the kernels, and cannot be given to it once more."""
    if sidecar.mode == Mode.CREATE:
        _LOG.warning("the sidecar has restarted and has no snapshot; this engine must restart to make one")
        sidecar.abort("what serves is not as a checkpoint leaves it")
    return sidecar


def _probe(model_config: Any) -> Optional[Dict[str, str]]:
    served = getattr(model_config, "served_model_name", None) or model_config.model
    name = served if isinstance(served, str) else served[0]
    if getattr(model_config, "runner_type", "generate") == "pooling":
        return {"path": "/v1/embeddings", "body": json.dumps({"model": name, "input": "@batch"}),
                "item": json.dumps("The dormouse sleeps.")}
    return {"path": "/v1/completions", "item": json.dumps("The dormouse sleeps."),
            "body": json.dumps({"model": name, "prompt": "@batch", "max_tokens": 4})}
