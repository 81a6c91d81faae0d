"""Reading weights from the files they come in: ours, exported ones, those of the paper's code.

Nothing is used of a file before its checksums are compared, and no code in it is run.
"""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from lightning_sciml.errors import InputError
from lightning_sciml.models.reference_weights import from_reference
from lightning_sciml.shards.durable import replacing, write_whole

PROVENANCE = "provenance"
CHECKSUM = "crc32"  # in the metadata of an export


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Weights and what is known of them.

    Attributes:
        weights: tensors by name, on the CPU.
        provenance: data sets, configuration and versions; empty where the file does not say.
    """

    weights: dict[str, Tensor]
    provenance: dict[str, Any] = field(default_factory=dict)


class DamageError(Exception):
    """A file's content is not what was written, or is of another kind; says what is wrong."""


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint of ``sciml fit``, an export, or a ``ckpt.tar`` of the paper's code.

    No code in the file is run. A ``ckpt.tar`` holds no normalisation.

    Raises:
        InputError: there is no such file, it is damaged, or it is none of these.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(
            f"a pre-trained checkpoint is wanted at {path}, nothing is there; "
            "run the pre-training first, or name its RUN_DIR/checkpoints/best.ckpt"
        )
    try:
        if path.suffix == ".safetensors":
            return _read_export(path)
        content = read_archive(path)
        if "model_state" in content:
            return _from_reference(content["model_state"])
        return Checkpoint(
            weights=tensors(content.get("state_dict")),
            provenance=_mapping(content.get(PROVENANCE, {})),
        )
    except (DamageError, InputError) as error:
        raise InputError(
            f"{path} cannot be read as a training checkpoint: {error}; "
            "name a whole checkpoint written by sciml fit"
        ) from error


def read_archive(path: Path, *, mmap: bool = False) -> dict[str, Any]:
    """Read a file of ``torch.save`` after comparing the checksum of each part of it.

    ``torch.load`` compares none: it takes a flipped bit for another weight. Comparing takes half a
    second a gigabyte.

    Args:
        path: the file.
        mmap: leave tensors on disk, for a caller that looks at the rest alone.

    Raises:
        DamageError: it is not a file, not an archive, damaged, or holds more than plain values.
    """
    if not path.is_file():  # a pipe would block
        raise DamageError("it is not a file")
    try:
        _compare_checksums(path)
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except DamageError:
        raise
    except Exception as error:  # zipfile, pickle and torch raise dozens of kinds on damage
        raise DamageError(_in_one_line(error)) from error
    if not isinstance(content, dict):
        raise DamageError(f"it holds a {type(content).__name__}, not the state of a run")
    return content


def _compare_checksums(path: Path) -> None:
    """Compare the CRC32 of every member of a zip archive with the stored one."""
    if not zipfile.is_zipfile(path):
        raise DamageError("it is no archive of torch.save, or was cut short")
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        # torch stores its members as they are; a compressed one could fill the memory
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise DamageError("it is no archive of torch.save: a member is compressed")
        damaged = archive.testzip()
    if damaged is not None:
        raise DamageError(f"the checksum of {damaged} in it is wrong: the file is damaged")


def _in_one_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0][:120]}" if lines else type(error).__name__


def export(checkpoint: Checkpoint, path: Path) -> None:
    """Write PATH (.safetensors): weights, provenance and a checksum over both.

    PATH with .json beside it shows the provenance to a reader without our code.
    """
    from safetensors.torch import save_file

    weights = {name: w.contiguous() for name, w in checkpoint.weights.items()}
    provenance = json.dumps(checkpoint.provenance, indent=1)
    metadata = {PROVENANCE: provenance, CHECKSUM: weights_checksum(weights, provenance)}
    with replacing(path) as temporary:
        save_file(weights, temporary, metadata)
    write_whole(path.with_suffix(".json"), provenance + "\n")


def _read_export(path: Path) -> Checkpoint:
    from safetensors import safe_open

    if not path.is_file():
        raise DamageError("it is not a file")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:  # what the header is damaged to decides what is raised
        raise DamageError(_in_one_line(error)) from error
    provenance = metadata.get(PROVENANCE, "")
    if metadata.get(CHECKSUM) != weights_checksum(weights, provenance):
        raise DamageError("it is damaged, or not written by sciml inspect --export")
    try:
        return Checkpoint(weights=weights, provenance=_mapping(json.loads(provenance)))
    except (ValueError, RecursionError) as error:  # made by hand: its checksum is right
        raise DamageError(f"its provenance is no JSON ({_in_one_line(error)})") from error


def _mapping(provenance: Any) -> dict[str, Any]:
    if not isinstance(provenance, dict):
        raise DamageError(f"its provenance is a {type(provenance).__name__}")
    return provenance


def weights_checksum(weights: Mapping[str, Tensor], provenance: str = "") -> str:
    """CRC32 over the provenance and every tensor's name, type, shape and bytes."""
    value = crc32(provenance.encode())
    for name, tensor in sorted(weights.items()):
        value = crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), value)
        content = np.ascontiguousarray(tensor.reshape(-1).view(torch.uint8).numpy())
        value = crc32(content.data, value)
    return f"{value:08x}"


def _from_reference(state: Any) -> Checkpoint:
    """Names without the "module." of DDP, in our layout, as a network without normalisation."""
    plain = {name.removeprefix("module."): tensor for name, tensor in tensors(state).items()}
    try:
        ours = from_reference(plain)
    except (KeyError, RuntimeError, ValueError) as error:
        raise DamageError(
            f"its model_state is of another network ({_in_one_line(error)})"
        ) from error
    return Checkpoint(weights={f"network.{k}": v for k, v in ours.items()})


def tensors(state: Any) -> dict[str, Tensor]:
    """The state of a module, if it is one."""
    if not isinstance(state, dict) or not all(isinstance(t, Tensor) for t in state.values()):
        raise DamageError("it holds no weights: a state_dict of tensors is wanted")
    return dict(state)
