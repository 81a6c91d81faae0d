"""Reading weights from the files they come in: ours, exported ones, those of the paper's code."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lightning_sciml.errors import InputError
from lightning_sciml.models.reference_weights import from_reference

PROVENANCE = "provenance"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Weights and what is known of them.

    Attributes:
        weights: tensors by name, on the CPU.
        provenance: data sets, configuration and versions; empty where the file does not say.
    """

    weights: dict[str, Tensor]
    provenance: dict[str, Any] = field(default_factory=dict)


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint of ``sciml fit``, an export, or a ``ckpt.tar`` of the paper's code.

    No code in the file is run. A ``ckpt.tar`` holds no normalisation.

    Raises:
        InputError: there is no such file, or it is none of these.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"a pre-trained checkpoint is wanted at {path}, nothing is there; "
            "run the pre-training first, or name its RUN_DIR/checkpoints/best.ckpt"
        )
    try:
        if path.suffix == ".safetensors":
            return _read_export(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
        if "model_state" in content:
            return _from_reference(content["model_state"])
        return Checkpoint(
            weights=dict(content["state_dict"]), provenance=content.get(PROVENANCE, {})
        )
    except Exception as error:
        raise InputError(
            f"{path} cannot be read as a training checkpoint ({type(error).__name__}: "
            f"{str(error).splitlines()[0][:120]}); name a checkpoint written by sciml fit"
        ) from error


def export(checkpoint: Checkpoint, path: Path) -> None:
    """Write PATH (.safetensors) and, beside it, PATH with .json: provenance and configuration."""
    from safetensors.torch import save_file

    save_file({k: v.contiguous() for k, v in checkpoint.weights.items()}, path)
    path.with_suffix(".json").write_text(json.dumps(checkpoint.provenance, indent=1) + "\n")


def _read_export(path: Path) -> Checkpoint:
    from safetensors.torch import load_file

    described = path.with_suffix(".json")
    provenance = json.loads(described.read_text()) if described.exists() else {}
    return Checkpoint(weights=load_file(path), provenance=provenance)


def _from_reference(state: dict[str, Tensor]) -> Checkpoint:
    """Names without the "module." of DDP, in our layout, as a network without normalisation."""
    plain = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    return Checkpoint(weights={f"network.{k}": v for k, v in from_reference(plain).items()})
