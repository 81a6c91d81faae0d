"""The networks that are timed beside ours: built to the same architecture and size.

All map (source, coefficients as three constant channels) to the solution: pointwise lifting, four
blocks of spectral convolution and pointwise skip with GELU between, projection C → 2C → 1.
"""

import importlib
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from lightning_sciml.models.fno import FNO, SIZES


def build_ours(size: str) -> nn.Module:
    """Our FNO."""
    return FNO(size=size)  # type: ignore[arg-type]


def build_neuraloperator(size: str) -> nn.Module:
    """neuraloperator's FNO without grid embedding, channel MLP and second lifting layer.

    Its ``n_modes`` counts both signs; along x it keeps n // 2 + 1, so m modes are asked as 2m - 2.
    Its complex weights count twice.
    """
    num_channels, num_modes = SIZES[size]
    fno = importlib.import_module("neuralop.models").FNO
    return fno(
        n_modes=(2 * num_modes, 2 * num_modes - 2),
        in_channels=4,
        out_channels=1,
        hidden_channels=num_channels,
        lifting_channel_ratio=0,
        projection_channel_ratio=2,
        positional_embedding=None,
        use_channel_mlp=False,
    )


def build_reference(checkout: Path) -> Callable[[str], nn.Module]:
    """The network of a local checkout of neuraloperators-TL-scaling."""
    sys.path.insert(0, str(checkout))
    network = importlib.import_module("models.fno").FNN2d

    def build(size: str) -> nn.Module:
        num_channels, num_modes = SIZES[size]
        return network(
            [num_modes] * 4,
            [num_modes] * 4,
            layers=[num_channels] * 5,
            fc_dim=2 * num_channels,
            in_dim=4,
            activation="gelu",
        )

    return build


def builders(peers: list[str]) -> dict[str, Callable[[str], nn.Module]]:
    """Builders by name, ours first; a peer is ``neuraloperator`` or ``reference=PATH``."""
    found: dict[str, Callable[[str], nn.Module]] = {"ours": build_ours}
    for peer in peers:
        name, _, path = peer.partition("=")
        if name == "neuraloperator":
            if find_spec("neuralop") is None:
                raise SystemExit("error: the peer neuraloperator is not installed; pip install it")
            found[name] = build_neuraloperator
        elif name == "reference" and Path(path, "models", "fno.py").is_file():
            found[name] = build_reference(Path(path).resolve())
        else:
            raise SystemExit(
                f"error: a peer is neuraloperator or reference=PATH with PATH/models/fno.py, got "
                f"{peer!r}; clone neuraloperators-TL-scaling or drop it"
            )
    return found


def num_parameters(network: nn.Module) -> int:
    """Real parameters: complex ones count twice."""
    return sum(p.numel() * (2 if p.is_complex() else 1) for p in network.parameters())


def arguments(name: str, source: Tensor, coefficients: Tensor) -> tuple[Tensor, ...]:
    """Return what this network takes: ours the coefficients as numbers, peers as channels."""
    if name == "ours":
        return source, coefficients
    constant = coefficients[:, :, None, None].expand(-1, -1, *source.shape[2:])
    return (torch.cat([source, constant], dim=1),)
