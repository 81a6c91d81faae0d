"""`sciml inspect`: what a checkpoint is, and its weights in a form that runs no code."""

import sys
from collections.abc import Sequence
from pathlib import Path

from lightning_sciml.errors import InputError
from lightning_sciml.option_errors import OneLineArgumentParser
from lightning_sciml.paths import expanded
from lightning_sciml.plain_text import for_terminal


def parser() -> OneLineArgumentParser:
    """Options of the verb."""
    parser = OneLineArgumentParser(
        prog="sciml inspect",
        description="Show where a checkpoint comes from and which tensors it holds. Reads those of "
        "sciml fit, exports, and ckpt.tar of the paper's code.",
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument(
        "--export",
        type=Path,
        metavar="FOLDER",
        help="also write model.safetensors and config.json into this folder; load_operator, "
        "FineTuningModule and --ckpt_path take it as a checkpoint",
    )
    return parser


def main(arguments: Sequence[str]) -> None:
    """Run `sciml inspect CHECKPOINT`.

    Raises:
        InputError: no checkpoint, or an export that cannot be written.
    """
    options = parser().parse_args(list(arguments[1:]))
    options.checkpoint = expanded(options.checkpoint)
    options.export = options.export and expanded(options.export)
    from lightning_sciml.checkpoints.files import export, read_checkpoint

    checkpoint = read_checkpoint(options.checkpoint)
    lines = []
    described = checkpoint.operator.plain() if checkpoint.operator else {}
    for key, value in {**described, **checkpoint.provenance}.items():
        text = "\n  ".join(for_terminal(line) for line in str(value).splitlines())
        shown_key = for_terminal(key)
        lines.append(f"{shown_key}:\n  {text}" if "\n" in text else f"{shown_key}: {text}")
    number = sum(w.numel() for n, w in checkpoint.weights.items() if n.startswith("network."))
    lines.append(f"tensors: {len(checkpoint.weights)}, {number:,} numbers in the network")
    for name, tensor in checkpoint.weights.items():
        lines.append(f"  {for_terminal(name):44s}{'×'.join(map(str, tensor.shape)) or 'scalar'}")
    sys.stdout.write("\n".join(lines) + "\n")
    if options.export:
        from safetensors import SafetensorError

        try:
            export(checkpoint, options.export)
        except (OSError, SafetensorError) as error:
            raise InputError(
                f"{options.export} cannot be written: {error}; choose another folder"
            ) from None
        sys.stdout.write(f"exported to {options.export}\n")
