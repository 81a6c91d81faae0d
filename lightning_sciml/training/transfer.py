"""What a downstream run takes over from a pre-trained checkpoint."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from lightning_sciml.errors import InputError


def load_checkpoint_weights(path: str | Path) -> dict[str, Tensor]:
    """Tensors of a training checkpoint, by name, on the CPU; no code in the file is run.

    Raises:
        InputError: there is no such file, or it is not a training checkpoint.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"a pre-trained checkpoint is wanted at {path}, nothing is there; "
            "run the pre-training first, or name its RUN_DIR/checkpoints/best.ckpt"
        )
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        return dict(checkpoint["state_dict"])
    except Exception as error:
        raise InputError(
            f"{path} cannot be read as a training checkpoint ({type(error).__name__}: "
            f"{str(error).splitlines()[0][:120]}); name a checkpoint written by sciml fit"
        ) from error


def load_matching(module: nn.Module, weights: Mapping[str, Tensor], origin: str | Path) -> None:
    """Load every tensor of `module` from `weights`; names and shapes must agree.

    Raises:
        InputError: a tensor is missing, is not wanted, or has another shape; the first is named.
    """
    own = module.state_dict()
    for name in [*own, *weights]:
        wanted = tuple(own[name].shape) if name in own else "no such tensor"
        got = tuple(weights[name].shape) if name in weights else "no such tensor"
        if wanted != got:
            raise InputError(
                f"the network wants {name} {wanted}, {origin} has {got}; use the same size, modes "
                "and coefficient_names as in pre-training"
            )
    module.load_state_dict(weights)
