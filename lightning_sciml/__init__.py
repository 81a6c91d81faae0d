"""Generate PDE data with MPI, pre-train neural operators, measure and use their transfer.

The public names are loaded when they are first used: `import lightning_sciml` loads no torch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning_sciml.checkpoints.operator_files import load_operator
    from lightning_sciml.foreign.conversion import write_dataset
    from lightning_sciml.shards.reader import read_dataset

_HOMES = {
    "load_operator": "lightning_sciml.checkpoints.operator_files",
    "read_dataset": "lightning_sciml.shards.reader",
    "write_dataset": "lightning_sciml.foreign.conversion",
}
__all__ = ["load_operator", "read_dataset", "write_dataset"]


def __getattr__(name: str) -> Any:
    """Import a public name from its home (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names too, which the Tab key completes before they are loaded."""
    return sorted({*globals(), *__all__})
