"""The CUDA driver through ctypes: what an engine needs to share memory with its sidecar. No package but the driver's own.

Addresses are whole numbers, sizes bytes. Every method may be called by any thread: it makes the device's primary
context, which PyTorch uses too, current there first.
"""

import ctypes
import os
import threading
import uuid
from ctypes import POINTER, Structure, byref, c_int, c_size_t, c_ubyte, c_uint, c_uint64, c_void_p
from typing import Any, Dict, List, Optional, Tuple

from .errors import DeviceError

#: Path of another driver than the system's, for tests over the stand-in.
DRIVER = "DORMOUSE_CUDA_DRIVER"

_POSIX_DESCRIPTOR = 1
_DEVICE = 1
_READ, _READ_WRITE = 1, 3
_NON_BLOCKING = 1
_NO_TIMING = 2
_PORTABLE = 1

_ADVICE: Dict[int, str] = {
    2: "the GPU is full; nvidia-smi shows which processes hold its memory",
    3: "the driver has not been initialized, or is being unloaded; restart the container",
    34: "this is the toolkit's stub of libcuda, not the driver; run with the NVIDIA container runtime",
    46: "another process has the GPU for itself; set its compute mode to Default",
    100: "the container sees no GPU; check its resource claim and the NVIDIA container runtime",
    101: "the container sees fewer GPUs than that",
    201: "no context is current on this thread, or the sidecar runs in another PID namespace (Ipc needs "
         "shareProcessNamespace)",
    304: "the system limits page-locked memory; raise ulimit -l (memlock)",
    700: "the context is lost, this process must restart",
    712: "this host memory is page-locked already",
    801: "this device, driver or virtualization does not offer it",
    803: "driver and libcuda do not fit each other; check the driver's version on the node",
}


class _Location(Structure):
    _fields_ = [("type", c_int), ("id", c_int)]


class _Access(Structure):
    _fields_ = [("location", _Location), ("flags", c_int)]


class _IpcHandle(Structure):
    _fields_ = [("bytes", c_ubyte * 64)]


class _Uuid(Structure):
    _fields_ = [("bytes", c_ubyte * 16)]


#: Argument types by function. The version suffixes are part of the driver's interface, and stay.
_FUNCTIONS: Dict[str, Tuple[Any, ...]] = {
    "cuInit": (c_uint,),
    "cuDeviceGetCount": (POINTER(c_int),),
    "cuDeviceGet": (POINTER(c_int), c_int),
    "cuDeviceGetUuid": (POINTER(_Uuid), c_int),
    "cuDeviceGetAttribute": (POINTER(c_int), c_int, c_int),
    "cuDevicePrimaryCtxRetain": (POINTER(c_void_p), c_int),
    "cuDevicePrimaryCtxRelease_v2": (c_int,),
    "cuCtxSetCurrent": (c_void_p,),
    "cuCtxSynchronize": (),
    "cuMemAlloc_v2": (POINTER(c_uint64), c_size_t),
    "cuMemFree_v2": (c_uint64,),
    "cuMemsetD8_v2": (c_uint64, c_ubyte, c_size_t),
    "cuMemsetD8Async": (c_uint64, c_ubyte, c_size_t, c_void_p),
    "cuMemcpyHtoD_v2": (c_uint64, c_void_p, c_size_t),
    "cuMemcpyDtoH_v2": (c_void_p, c_uint64, c_size_t),
    "cuMemcpyHtoDAsync_v2": (c_uint64, c_void_p, c_size_t, c_void_p),
    "cuMemcpyDtoHAsync_v2": (c_void_p, c_uint64, c_size_t, c_void_p),
    "cuMemHostRegister_v2": (c_void_p, c_size_t, c_uint),
    "cuMemHostUnregister": (c_void_p,),
    "cuMemGetAddressRange_v2": (POINTER(c_uint64), POINTER(c_size_t), c_uint64),
    "cuMemImportFromShareableHandle": (POINTER(c_uint64), c_void_p, c_int),
    "cuMemAddressReserve": (POINTER(c_uint64), c_size_t, c_size_t, c_uint64, c_uint64),
    "cuMemAddressFree": (c_uint64, c_size_t),
    "cuMemMap": (c_uint64, c_size_t, c_size_t, c_uint64, c_uint64),
    "cuMemUnmap": (c_uint64, c_size_t),
    "cuMemSetAccess": (c_uint64, c_size_t, POINTER(_Access), c_size_t),
    "cuMemRelease": (c_uint64,),
    "cuIpcGetMemHandle": (POINTER(_IpcHandle), c_uint64),
    "cuStreamCreate": (POINTER(c_void_p), c_uint),
    "cuStreamDestroy_v2": (c_void_p,),
    "cuStreamSynchronize": (c_void_p,),
    "cuEventCreate": (POINTER(c_void_p), c_uint),
    "cuEventDestroy_v2": (c_void_p,),
    "cuEventRecord": (c_void_p, c_void_p),
    "cuEventSynchronize": (c_void_p,),
}

_loading = threading.Lock()
_loaded: Optional["_Driver"] = None


class _Driver:

    def __init__(self, library: ctypes.CDLL) -> None:
        self._name = library.cuGetErrorName
        self._functions = {}
        for name, arguments in _FUNCTIONS.items():
            function = getattr(library, name)
            function.argtypes = arguments
            self._functions[name] = function

    def __call__(self, name: str, *arguments: Any) -> None:
        result = self._functions[name](*arguments)
        if result:
            text = ctypes.c_char_p()
            known = self._name(c_int(result), byref(text)) == 0 and text.value is not None
            raise DeviceError(name, result, text.value.decode() if known and text.value else "unknown error",
                              _ADVICE.get(result, ""))


def driver() -> _Driver:
    """Loads the driver, once in a process.

    :raises DeviceError: when there is none, or it finds no device
    """
    global _loaded
    with _loading:
        if _loaded is None:
            try:
                loaded = _Driver(ctypes.CDLL(os.environ.get(DRIVER) or "libcuda.so.1"))
            except (OSError, AttributeError) as e:
                raise DeviceError("libcuda.so.1", 0, str(e), "schedule this pod on a GPU node with the NVIDIA container "
                                  "runtime, or let the sidecar use DORMOUSE_DEVICE=Host") from e
            loaded("cuInit", 0)
            _loaded = loaded
        return _loaded


class Context:
    """One device's primary context."""

    def __init__(self, ordinal: int = 0) -> None:
        """:param ordinal: which of the devices that this process sees"""
        self._call = driver()
        device, context = c_int(), c_void_p()
        self._call("cuDeviceGet", byref(device), ordinal)
        self._call("cuDevicePrimaryCtxRetain", byref(context), device)
        self.ordinal = ordinal
        self._device, self._context = device, context

    @staticmethod
    def of(device: Optional[str]) -> "Context":
        """The device with that UUID, as WELCOME names it; the first one where there is no name.

        :raises DeviceError: when this process does not see it
        """
        count = c_int()
        driver()("cuDeviceGetCount", byref(count))
        if device is None:
            return Context(0)
        seen = []
        for ordinal in range(count.value):
            context = Context(ordinal)
            if context.uuid == device:
                return context
            seen.append(context.uuid)
            context.close()
        raise DeviceError("cuDeviceGetUuid", 100, f"the sidecar uses {device}, this engine sees {', '.join(seen)}",
                          "both containers of the pod need the same resource claim")

    @property
    def uuid(self) -> str:
        """As nvidia-smi writes it."""
        found = _Uuid()
        self._call("cuDeviceGetUuid", byref(found), self._device)
        return "GPU-" + str(uuid.UUID(bytes=bytes(found.bytes)))

    @property
    def architecture(self) -> str:
        """Part of what must be equal for compiled kernels to be usable: ``sm_90``."""
        parts = []
        for attribute in (75, 76):  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, _MINOR
            value = c_int()
            self._call("cuDeviceGetAttribute", byref(value), attribute, self._device)
            parts.append(str(value.value))
        return "sm_" + "".join(parts)

    def call(self, name: str, *arguments: Any) -> None:
        """A function of the driver, on this device.

        :raises DeviceError: naming the function and what to do
        """
        self._call("cuCtxSetCurrent", self._context)
        self._call(name, *arguments)

    def synchronize(self) -> None:
        self.call("cuCtxSynchronize")

    def allocate(self, length: int) -> int:
        """Zeroed memory of this process, that CUDA IPC can export."""
        address = c_uint64()
        self.call("cuMemAlloc_v2", byref(address), length)
        self.call("cuMemsetD8_v2", address, 0, length)
        return address.value

    def free(self, address: int) -> None:
        self.call("cuMemFree_v2", address)

    def write(self, address: int, data: Any) -> None:
        """Copies what has a buffer to the device, and waits."""
        view = memoryview(data).cast("B")
        kind = c_ubyte * view.nbytes
        content = kind.from_buffer_copy(view) if view.readonly else kind.from_buffer(view)
        self.call("cuMemcpyHtoD_v2", address, content, view.nbytes)

    def read(self, address: int, length: int) -> bytes:
        content = ctypes.create_string_buffer(length)
        self.call("cuMemcpyDtoH_v2", content, address, length)
        return content.raw

    def register(self, address: int, length: int) -> None:
        """Page-locks host memory, so that copies from and to it are asynchronous and at full speed."""
        self.call("cuMemHostRegister_v2", address, length, _PORTABLE)

    def unregister(self, address: int) -> None:
        self.call("cuMemHostUnregister", address)

    def ipc_handle(self, address: int) -> Tuple[bytes, int]:
        """The handle of the whole block that an address lies in, and how far in."""
        handle, base, length = _IpcHandle(), c_uint64(), c_size_t()
        self.call("cuMemGetAddressRange_v2", byref(base), byref(length), address)
        self.call("cuIpcGetMemHandle", byref(handle), base)
        return bytes(handle.bytes), address - base.value

    def close(self) -> None:
        self._call("cuDevicePrimaryCtxRelease_v2", self._device)


class Mapping:
    """Memory of the sidecar, block after block in one range of addresses. Stays valid when the sidecar ends."""

    def __init__(self, context: Context, blocks: List[Tuple[int, int]], writable: bool) -> None:
        """
        :param blocks: descriptor, which stays the caller's, and length, a multiple of the granularity
        """
        self._context = context
        self._handles: List[Tuple[c_uint64, int, int]] = []
        self._mapped: List[Tuple[int, int]] = []
        self.length = sum(length for _, length in blocks)
        start = c_uint64()
        context.call("cuMemAddressReserve", byref(start), self.length, 0, 0, 0)
        self.address = start.value
        try:
            at = self.address
            for descriptor, length in blocks:
                handle = c_uint64()
                context.call("cuMemImportFromShareableHandle", byref(handle), descriptor, _POSIX_DESCRIPTOR)
                self._handles.append((handle, at, length))
                at += length
            self._map(writable)
            if not writable:
                self._release()
        except BaseException:
            self.close()
            raise

    def _map(self, writable: bool) -> None:
        for handle, at, length in self._handles:
            self._context.call("cuMemMap", at, length, 0, handle, 0)
            self._mapped.append((at, length))
        access = _Access(_Location(_DEVICE, self._context.ordinal), _READ_WRITE if writable else _READ)
        self._context.call("cuMemSetAccess", self.address, self.length, byref(access), 1)

    def freeze(self) -> None:
        """Maps the same memory at the same addresses again, to be read only. Waits for all work on the device first."""
        self._context.synchronize()
        self._unmap()
        self._map(writable=False)
        self._release()

    def _unmap(self) -> None:
        while self._mapped:
            self._context.call("cuMemUnmap", *self._mapped.pop())

    def _release(self) -> None:
        """A mapping keeps its memory; the handle is needed only to map it again."""
        while self._handles:
            self._context.call("cuMemRelease", self._handles.pop()[0])

    def close(self) -> None:
        """No work on the device may use it any more."""
        self._unmap()
        self._release()
        if self.address:
            self._context.call("cuMemAddressFree", self.address, self.length)
            self.address = 0


class Stream:
    """Copies that go on while the caller does."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._stream = c_void_p()
        context.call("cuStreamCreate", byref(self._stream), _NON_BLOCKING)

    def to_device(self, address: int, host: int, length: int) -> None:
        self._context.call("cuMemcpyHtoDAsync_v2", address, host, length, self._stream)

    def to_host(self, host: int, address: int, length: int) -> None:
        self._context.call("cuMemcpyDtoHAsync_v2", host, address, length, self._stream)

    def zero(self, address: int, length: int) -> None:
        self._context.call("cuMemsetD8Async", address, 0, length, self._stream)

    def record(self, event: "Event") -> None:
        self._context.call("cuEventRecord", event.handle, self._stream)

    def synchronize(self) -> None:
        self._context.call("cuStreamSynchronize", self._stream)

    def close(self) -> None:
        self._context.call("cuStreamDestroy_v2", self._stream)


class Event:
    """A point in a stream's work that somebody can wait for."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.handle = c_void_p()
        context.call("cuEventCreate", byref(self.handle), _NO_TIMING)

    def synchronize(self) -> None:
        self._context.call("cuEventSynchronize", self.handle)

    def close(self) -> None:
        self._context.call("cuEventDestroy_v2", self.handle)


class DeviceBytes:
    """A range of device memory, for whatever takes ``__cuda_array_interface__``: PyTorch, CuPy, Numba.

    Bytes, since bf16 and fp8 have no name there: ``torch.as_tensor(DeviceBytes(…), device="cuda").view(torch.bfloat16)``.
    """

    def __init__(self, address: int, length: int, owner: object = None, readonly: bool = False) -> None:
        """
        :param owner: is kept alive as long as this is
        :param readonly: PyTorch refuses what says that it is; then not writing is the caller's promise
        """
        self._owner = owner
        self.__cuda_array_interface__ = {
            # No stream to wait for: the contents have been, before anybody gets to see the memory.
            "shape": (length,), "typestr": "|u1", "data": (address, readonly), "strides": None, "stream": None,
            "version": 3,
        }
