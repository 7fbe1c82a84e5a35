"""Whether a graph is being recorded."""

from __future__ import annotations

import torch


def is_tracing() -> bool:
    """Return whether a graph is being recorded, by ``torch.jit.trace``, ONNX export, ``torch.export`` or ``torch.compile``.

    A recording does not see calls into a compiled library, and sizes may be unknown.
    """
    return torch._C._get_tracing_state() is not None or torch.compiler.is_compiling()
