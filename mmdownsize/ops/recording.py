"""Whether a graph is being recorded."""

from __future__ import annotations

import torch


def is_tracing() -> bool:
    """Return whether a graph is being recorded, by ``torch.jit.trace``, ONNX export, ``torch.export`` or ``torch.compile``.

    A call into a compiled library would be invisible to it, and sizes may be open.
    """
    return torch._C._get_tracing_state() is not None or torch.compiler.is_compiling()
