"""Generate PDE data with MPI, pre-train neural operators, measure and use their transfer.

The public names are loaded when they are first used: `import lightning_sciml` loads no torch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning_sciml.checkpoints.operator_files import load_operator

_HOMES = {"load_operator": "lightning_sciml.checkpoints.operator_files"}
__all__ = ["load_operator"]


def __getattr__(name: str) -> Any:
    """Import a public name from its home (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
