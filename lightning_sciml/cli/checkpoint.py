"""`sciml inspect`: what a checkpoint is, and its weights in a form that runs no code."""

import sys
from collections.abc import Sequence

from lightning_sciml.errors import InputError
from lightning_sciml.option_parser import call
from lightning_sciml.paths import expanded
from lightning_sciml.plain_text import for_terminal


def inspect(checkpoint: str, *, export: str | None = None) -> None:
    """Show where a checkpoint comes from and which tensors it holds.

    Args:
        checkpoint: Checkpoint of sciml fit, export, or ckpt.tar of the paper's code.
        export: Folder in which to write model.safetensors and config.json as well: load_operator,
            FineTuningModule and --ckpt_path take it as a checkpoint.

    Examples:
        sciml inspect runs/pretrain_poisson/checkpoints/best.ckpt --export exported/poisson

    Raises:
        InputError: no checkpoint, or an export that cannot be written.
    """
    from safetensors import SafetensorError

    from lightning_sciml.checkpoints import files

    read = files.read_checkpoint(expanded(checkpoint))
    lines = []
    described = read.operator.plain() if read.operator else {}
    for key, value in {**described, **read.provenance}.items():
        text = "\n  ".join(for_terminal(line) for line in str(value).splitlines())
        shown_key = for_terminal(key)
        lines.append(f"{shown_key}:\n  {text}" if "\n" in text else f"{shown_key}: {text}")
    number = sum(w.numel() for n, w in read.weights.items() if n.startswith("network."))
    lines.append(f"tensors: {len(read.weights)}, {number:,} numbers in the network")
    for name, tensor in read.weights.items():
        lines.append(f"  {for_terminal(name):44s}{'×'.join(map(str, tensor.shape)) or 'scalar'}")
    sys.stdout.write("\n".join(lines) + "\n")
    if export is not None:
        folder = expanded(export)
        try:
            files.export(read, folder)
        except (OSError, SafetensorError) as error:
            raise InputError(f"{folder} cannot be written: {error}; choose another") from None
        sys.stdout.write(f"exported to {folder}\n")


def main(arguments: Sequence[str]) -> None:
    """Run `sciml inspect CHECKPOINT`."""
    call(inspect, arguments[1:], "sciml inspect")
