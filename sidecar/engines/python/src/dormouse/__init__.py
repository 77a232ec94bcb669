"""Engines beside a Dormouse sidecar: memory that the sidecar owns, saves, and restores before the engine is up.

Needs nothing but the standard library on Linux. ``dormouse.torch`` is for PyTorch, ``dormouse.numpy`` for NumPy,
``dormouse.client`` for everything else. docs/engine-protocol.md describes the conversation.
"""

from .client import Attachment, Mode, Sidecar
from .errors import DormouseError, NoSidecar, ProtocolError, Refused
from .layout import Buffer, BufferType

__all__ = [
    "Attachment",
    "Buffer",
    "BufferType",
    "DormouseError",
    "Mode",
    "NoSidecar",
    "ProtocolError",
    "Refused",
    "Sidecar",
]

__version__ = "0.1.0"
