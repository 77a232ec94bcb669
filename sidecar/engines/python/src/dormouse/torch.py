"""PyTorch modules whose weights live in the sidecar's memory.

    import dormouse.torch

    model = dormouse.torch.load(build, fill, engine="my-server", version="1.4").module

``build()`` makes the module without caring for its values; ``fill(module)`` loads them from the source. ``fill`` runs
only where there is no snapshot. Either way the module's tensors end up as views of the sidecar's memory: no copy, and
nothing may write to them (inference only).
"""

import contextlib
import json
import logging
import time
import warnings
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import torch

from .client import Attachment, Memory, Mode, Sidecar, socket_path
from .companion import Companion, Request
from .errors import DeviceError, DormouseError, NoSidecar, Refused
from .layout import WIDTHS, Buffer, BufferType, layout_hash, place
from .memory import making_much
from .torch_memory import DeviceTensors, HostTensors, Tensors, context_of, modes, tensors_of

_LOG = logging.getLogger(__name__)
_TENSORS = "torch/tensors.json"
_TRIES = 3

_NAMES = {"bool": "bool", "uint8": "u8", "int8": "i8", "float8_e4m3fn": "f8_e4m3", "float8_e5m2": "f8_e5m2",
          "float8_e8m0fnu": "f8_e8m0",
          "uint16": "u16", "int16": "i16", "float16": "f16", "bfloat16": "bf16", "uint32": "u32", "int32": "i32",
          "float32": "f32", "uint64": "u64", "int64": "i64", "float64": "f64", "complex64": "c64",
          "complex128": "c128"}
#: Both ways, for the types that this PyTorch has.
DTYPES: Dict[torch.dtype, str] = {getattr(torch, ours): name for ours, name in _NAMES.items() if hasattr(torch, ours)}
TORCH_DTYPES: Dict[str, torch.dtype] = {name: dtype for dtype, name in DTYPES.items()}


@dataclass
class Loaded:
    """A module over the sidecar's memory, and the connection to keep for as long as it serves."""

    module: torch.nn.Module
    sidecar: Optional[Sidecar]
    phases: List[Dict[str, Any]]
    restored: bool
    rejoin: Callable[[], Sidecar]
    #: Where the tensors' bytes are; None where there is no sidecar, or it keeps nothing.
    memory: Optional[Tensors] = None

    def serving(self, *, probe: Optional[Mapping[str, str]] = None, quiesce: Optional[Callable[[], None]] = None,
                resume: Optional[Callable[[], None]] = None) -> Optional[Companion]:
        """Call it when requests are answered: the sidecar warms up and opens the gate. Stays with the sidecar, and
        joins it again after it restarted. None where there is no sidecar.

        :param probe: ``{"path", "body", "item"}``, a real request for the warmup inference
        :raises Refused: when the snapshot turns out damaged at this last moment: stop serving and load again
        """
        if self.sidecar is None:
            return None
        self.sidecar.ready(self.phases, probe=probe)

        def join() -> Sidecar:
            sidecar = self.rejoin()
            try:
                _rejoined(self, sidecar)
                companion.requests = requests()
                sidecar.ready((), probe=probe)
                return sidecar
            except BaseException:
                sidecar.close()
                raise

        def requests() -> Mapping[str, Request]:
            return self.memory.requests if self.memory is not None else {}

        companion = Companion(self.sidecar, join, quiesce=quiesce, resume=resume, requests=requests())
        return companion


class View(NamedTuple):
    """One tensor as a view of a block of bytes; strides and offset in elements."""

    name: str
    block: int
    dtype: str
    shape: Tuple[int, ...]
    stride: Tuple[int, ...]
    offset: int


def load(build: Callable[[], torch.nn.Module], fill: Callable[[torch.nn.Module], None], *, engine: str, version: str,
         compatibility: Optional[Mapping[str, str]] = None, device: Union[str, torch.device] = "cpu",
         path: Optional[str] = None, timeout: float = 60.0) -> Loaded:
    """A module with its weights: out of a snapshot where there is one, from the source where there is none.

    Without a sidecar (no socket, ``DORMOUSE_SOCKET`` unset) it simply builds and fills.

    :param compatibility: what must be equal for a snapshot to be usable, beside the module's own layout and PyTorch's
        version, which are added
    :param device: where the module is built and serves: ``cpu`` or ``cuda``, with an index or the current one
    :raises Refused: when the sidecar wants this engine in no way
    """
    path = path or socket_path()
    if path is None:
        return _alone(_skeleton(build), build, fill)
    module = _skeleton(build)
    wanted = {"torch": torch.__version__, **(compatibility or {}), "layout": hash_of(module)}
    device = torch.device(device)
    context = context_of(device)

    def connect() -> Sidecar:
        return Sidecar.connect(engine, version, wanted, path=path, timeout=timeout, memory=modes(device))

    for attempt in range(1, _TRIES + 1):
        sidecar = connect()
        try:
            memory = tensors_of(sidecar, context)
            if sidecar.mode == Mode.ATTACH:
                loaded = _restored(sidecar, memory, module, device)
            else:
                loaded = _alone(module, build, fill)
                if sidecar.mode == Mode.CREATE:
                    saved = save(sidecar, dict(named_tensors(loaded.module)), memory)
                    if _in_place(sidecar, device):
                        bind(loaded.module, saved)
            loaded.sidecar, loaded.rejoin = sidecar, connect
            loaded.memory = None if sidecar.mode == Mode.BYPASS else memory
            return loaded
        except (Refused, NoSidecar) as e:
            sidecar.close()
            if attempt == _TRIES or isinstance(e, Refused) and sidecar.mode != Mode.ATTACH:
                raise
            _LOG.warning("asking again: %s", e)
            # What was bound to memory that was refused must not be seen again.
            module = _skeleton(build)
        except BaseException:
            sidecar.close()
            raise
    raise AssertionError("every try returns or raises")


def named_tensors(module: torch.nn.Module) -> Iterator[Tuple[str, torch.Tensor]]:
    """Every parameter and buffer, tied ones under each of their names, those that no state_dict shows included."""
    for prefix, owner in module.named_modules(remove_duplicate=False):
        dot = prefix + "." if prefix else ""
        for group in (owner._parameters, owner._buffers):
            for name, tensor in group.items():
                if tensor is not None:
                    yield dot + name, tensor


def hash_of(module: torch.nn.Module) -> str:
    """The layout's part of the compatibility: names, types, shapes."""
    return layout_hash((name, _dtype(name, tensor), tuple(tensor.shape)) for name, tensor in named_tensors(module))


def save(sidecar: Sidecar, tensors: Mapping[str, torch.Tensor], memory: Optional[Tensors] = None
         ) -> Dict[str, torch.Tensor]:
    """Copies tensors into memory of the sidecar and commits it; returns them as views of that memory, by name.

    Tensors that share memory go on sharing it; strides stay as they are.

    :param memory: where the sidecar's mode is another than Host
    """
    memory = memory or HostTensors(sidecar)
    blocks, views = _blocks(tensors)
    placement = place([(block.numel(), width) for block, width in blocks])
    allocations = [memory.allocate(length) for length in placement.allocations]
    for (block, _), (index, offset) in zip(blocks, placement.places):
        if block.numel():
            memory.write(allocations[index], offset, block)
    ids = [allocations[index] for index, _ in placement.places]
    sidecar.put([Buffer(view.name, ids[view.block], placement.places[view.block][1], blocks[view.block][0].numel(),
                        BufferType.WEIGHTS, view.dtype, view.shape) for view in views])
    sidecar.put_file(_TENSORS, _describe(views))
    memory.commit()
    with _no_warnings():
        return {view.name: _over(memory, ids[view.block], placement.places[view.block][1],
                                 blocks[view.block][0].numel(), view) for view in views}


def restore(attachment: Attachment, memory: Optional[Tensors] = None) -> Dict[str, torch.Tensor]:
    """The tensors of a snapshot that :func:`save` made, by name, without a copy. Wait for the contents first.

    A snapshot that was imported from safetensors files works too: its tensors are contiguous.

    :param memory: where the sidecar's mode is another than Host, what was attached
    """
    strides: Dict[str, Dict[str, Any]] = {}
    if _TENSORS in attachment.files:
        strides = json.loads(bytes(attachment.files[_TENSORS]))
    tensors = {}
    with _no_warnings(), making_much():
        for name, buffer in attachment.buffers.items():
            dtype = TORCH_DTYPES.get(buffer.dtype)
            if dtype is None:
                raise DormouseError(f"buffer {name!r} is of type {buffer.dtype}, which this PyTorch "
                                    f"({torch.__version__}) does not have; attachment[{name!r}] are its bytes")
            told = strides.get(name)
            view = View(name, 0, buffer.dtype, buffer.shape, tuple(told["stride"]) if told else _dense(buffer.shape),
                        told["offset"] if told else 0)
            tensors[name] = _over(memory or attachment, buffer.allocation, buffer.offset, buffer.length, view)
    return tensors


def bind(module: torch.nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Puts tensors in the places of a module's own, which are freed. Parameters need no gradient from then on.

    :raises DormouseError: naming the first tensor that is missing, left over, or of another type or shape
    """
    left = dict(tensors)
    # The old ones stay alive meanwhile: their ids must not be given to others.
    parameters: Dict[int, Tuple[torch.Tensor, torch.nn.Parameter]] = {}
    for prefix, owner in module.named_modules(remove_duplicate=False):
        dot = prefix + "." if prefix else ""
        for group in (owner._parameters, owner._buffers):
            for name, old in group.items():
                if old is None:
                    continue
                tensor = left.pop(dot + name, None)
                if tensor is None:
                    raise DormouseError(f"there is no tensor {dot + name!r}")
                if tensor.shape != old.shape or tensor.dtype != old.dtype:
                    raise DormouseError(f"{dot + name}: {tensor.dtype} {tuple(tensor.shape)} instead of {old.dtype} "
                                        f"{tuple(old.shape)}")
                if group is owner._parameters:
                    # One parameter stays one, however many names it has.
                    if id(old) not in parameters:
                        parameters[id(old)] = (old, torch.nn.Parameter(tensor, requires_grad=False))
                    group[name] = parameters[id(old)][1]
                else:
                    group[name] = tensor
    if left:
        raise DormouseError(f"the module has no place for {sorted(left)[0]!r}")


def _no_sidecar() -> Sidecar:
    raise NoSidecar("this engine runs without one")


def _alone(skeleton: torch.nn.Module, build: Callable[[], torch.nn.Module],
           fill: Callable[[torch.nn.Module], None]) -> Loaded:
    started = time.monotonic()
    module = build() if any(tensor.is_meta for _, tensor in named_tensors(skeleton)) else skeleton
    fill(module)
    return Loaded(module.eval(), None, [_phase("weight_load", started)], False, _no_sidecar)


def _restored(sidecar: Sidecar, memory: Tensors, module: torch.nn.Module, device: torch.device) -> Loaded:
    started = time.monotonic()
    attachment = memory.attach()
    sidecar.wait()
    tensors = restore(attachment, memory)
    if not _in_place(sidecar, device):
        tensors = _moved(tensors, device)
    bind(module, tensors)
    return Loaded(module.eval(), sidecar, [_phase("weight_load", started)], True, _no_sidecar)


def _in_place(sidecar: Sidecar, device: torch.device) -> bool:
    """Whether the memory of the conversation is where the module serves."""
    return sidecar.memory != Memory.HOST or device.type == "cpu"


def _moved(tensors: Mapping[str, torch.Tensor], device: torch.device) -> Dict[str, torch.Tensor]:
    """Copies on a device. Tensors of equal bytes stay one; strides stay as they are."""
    moved: Dict[Tuple[Any, ...], torch.Tensor] = {}
    result = {}
    for name, tensor in tensors.items():
        key = (tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tuple(tensor.stride()))
        if key not in moved or not tensor.numel():
            moved[key] = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=device)
            moved[key].copy_(tensor)
        result[name] = moved[key]
    return result


def _rejoined(loaded: Loaded, sidecar: Sidecar) -> None:
    """A sidecar has come that knows nothing of what serves here. What it restores is not needed: READY alone says so."""
    if sidecar.mode == Mode.BYPASS or loaded.memory is None:
        return
    if sidecar.mode == Mode.CREATE:
        # What serves stays where it is; the new sidecar gets a copy to keep.
        memory = tensors_of(sidecar, loaded.memory.context)
        try:
            save(sidecar, dict(named_tensors(loaded.module)), memory)
        except DeviceError as e:
            _LOG.warning("there is no room for a copy, so there will be no snapshot: %s", e)
            sidecar.abort("no room on the device for a copy")
            if isinstance(memory, DeviceTensors):
                memory.memory.close()
            return
        loaded.memory = memory


def _skeleton(build: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    """The module without values where PyTorch can do that (2.0 and later): no time, no memory."""
    with torch.device("meta") if hasattr(torch.device, "__enter__") else contextlib.nullcontext():
        return build()


def _blocks(tensors: Mapping[str, torch.Tensor]) -> Tuple[List[Tuple[torch.Tensor, int]], List[View]]:
    """The bytes to store, each with its element width, and every tensor as a view of one of them."""
    spans: Dict[int, List[int]] = {}
    for tensor in tensors.values():
        if tensor.numel() == 0:
            continue
        begin, end = _span(tensor)
        known = spans.setdefault(_storage(tensor), [begin, end, 0])
        known[0], known[1] = min(known[0], begin), max(known[1], end)
        known[2] += end - begin
    blocks: List[Tuple[torch.Tensor, int]] = []
    views: List[View] = []
    shared: Dict[Tuple[int, int], int] = {}
    for name, tensor in tensors.items():
        dtype, width = _dtype(name, tensor), WIDTHS[_dtype(name, tensor)]
        begin, end, used = spans[_storage(tensor)] if tensor.numel() else [0, 0, 0]
        whole = tensor.numel() > 0 and used * 2 >= end - begin and begin % width == 0 and (end - begin) % width == 0
        if not whole:
            # A small view of large memory: what nobody sees is not saved.
            tensor = tensor.contiguous().clone()
            begin, end = _span(tensor)
        key = (_storage(tensor), width) if whole else (-len(blocks) - 1, width)
        if key not in shared:
            shared[key] = len(blocks)
            blocks.append((_bytes(tensor, begin, end), width))
        first = tensor.storage_offset() * width - begin
        views.append(View(name, shared[key], dtype, tuple(tensor.shape), tuple(tensor.stride()), first // width))
    return blocks, views


def _storage(tensor: torch.Tensor) -> int:
    return tensor.storage().data_ptr()


def _span(tensor: torch.Tensor) -> Tuple[int, int]:
    """First byte and end of what a tensor sees of its storage."""
    width = tensor.element_size()
    begin = tensor.storage_offset() * width
    if tensor.numel() == 0:
        return begin, begin
    last = sum((length - 1) * stride for length, stride in zip(tensor.shape, tensor.stride()))
    return begin, begin + (last + 1) * width


def _bytes(tensor: torch.Tensor, begin: int, end: int) -> torch.Tensor:
    """A range of a tensor's storage, byte by byte."""
    width = tensor.element_size()
    flat = torch.as_strided(tensor.detach(), ((end - begin) // width,), (1,), begin // width)
    return flat.view(torch.uint8) if flat.numel() else torch.empty(0, dtype=torch.uint8)


def _describe(views: Sequence[View]) -> bytes:
    return json.dumps({view.name: {"stride": view.stride, "offset": view.offset} for view in views},
                      separators=(",", ":")).encode()


def _over(memory: Union[Tensors, Attachment], allocation: int, offset: int, length: int, view: View) -> torch.Tensor:
    """A tensor over memory that must not be written to."""
    dtype, width = TORCH_DTYPES[view.dtype], WIDTHS[view.dtype]
    if 0 in view.shape:
        return torch.empty_strided(view.shape, view.stride, dtype=dtype, device=getattr(memory, "device", None))
    last = view.offset
    for extent, stride in zip(view.shape, view.stride):
        last += (extent - 1) * stride
    if min(view.stride, default=0) < 0 or view.offset < 0 or (last + 1) * width > length:
        raise DormouseError(f"{view.name}: its strides lead out of its memory")
    if isinstance(memory, Attachment):
        flat = torch.frombuffer(memory.allocation(allocation), dtype=dtype, count=last + 1, offset=offset)
    else:
        flat = memory.typed(allocation, offset, dtype, last + 1)
    return torch.as_strided(flat, view.shape, view.stride, view.offset)


@contextlib.contextmanager
def _no_warnings() -> Iterator[None]:
    """PyTorch has no read-only tensors, and says so once per process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def _dense(shape: Sequence[int]) -> Tuple[int, ...]:
    stride, strides = 1, []
    for length in reversed(shape):
        strides.append(stride)
        stride *= max(1, length)
    return tuple(reversed(strides))


def _dtype(name: str, tensor: torch.Tensor) -> str:
    known = DTYPES.get(tensor.dtype)
    if known is None or tensor.layout != torch.strided:
        raise DormouseError(f"{name}: tensors of {tensor.dtype}, {tensor.layout} cannot be shared; "
                            f"known are strided tensors of {', '.join(sorted(WIDTHS))}")
    return known


def _phase(name: str, started: float) -> Dict[str, Any]:
    return {"name": name, "state": "Done", "micros": int((time.monotonic() - started) * 1e6)}
