"""`sciml inspect`: what a checkpoint is."""

import sys
from collections.abc import Sequence

from lightning_sciml.commands import call
from lightning_sciml.paths import expanded
from lightning_sciml.plain_text import for_terminal


def inspect(checkpoint: str) -> None:
    """Show where a checkpoint comes from and which tensors it holds.

    Args:
        checkpoint: Checkpoint of sciml fit, folder of a run, export, name of a release, or ckpt.tar
            of the paper's code.

    Examples:
        sciml inspect runs/pretrain_poisson

    Raises:
        InputError: it is no checkpoint.
    """
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


def main(arguments: Sequence[str]) -> None:
    """Run `sciml inspect CHECKPOINT`."""
    call(inspect, arguments[1:], "sciml inspect")
