"""Read weights from files: checkpoints, exports, those of the paper's code.

Nothing is used of a file before its checksums are compared, and no code in it is run.
"""

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
from lightning_sciml.hub import CONFIG, WEIGHTS
from lightning_sciml.json_files import json_text, read_json
from lightning_sciml.models.low_rank import merged
from lightning_sciml.models.reference_weights import from_reference
from lightning_sciml.operators.description import OperatorDescription
from lightning_sciml.released_operators import checkpoint_path
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.shards.durable import replacing, write_whole

PROVENANCE, OPERATOR = "provenance", "operator"
CHECKSUM = "crc32"  # of an export, over its weights and what is said of them


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Weights and what is known of them.

    Attributes:
        weights: tensors by name, on the CPU.
        operator: what they are of; None where the file does not say.
        provenance: data sets, configuration and versions; empty where the file does not say.
    """

    weights: dict[str, Tensor]
    operator: OperatorDescription | None = None
    provenance: dict[str, Any] = field(default_factory=dict)


class DamageError(Exception):
    """A file's content is damaged or of another kind; the message says what is wrong."""


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint of ``sciml fit``, an export, or a ``ckpt.tar`` of the paper's code.

    No code in the file is run. A ``ckpt.tar`` holds no normalisation.

    Args:
        path: of the file or folder; of a run's folder its best.ckpt is read; or what
            ``checkpoint_path`` takes for one, such as the name of a released operator.

    Raises:
        InputError: there is no such file, it is damaged, or it is none of these.
    """
    path = best_of_run(checkpoint_path(path))
    if not path.exists():
        raise InputError(
            f"a pre-trained checkpoint is wanted at {path}, nothing is there; "
            "run the pre-training first, or name its RUN_DIR/checkpoints/best.ckpt, one of "
            "`sciml models list`, or hf://OWNER/NAME of the Hugging Face hub"
        )
    try:
        if path.is_dir():
            return _read_export(path)
        content = read_archive(path)
        if "model_state" in content:
            return _from_reference(content["model_state"])
        state, prefix = tensors(content.get("state_dict")), "operator."  # of a Lightning module
        weights = {n.removeprefix(prefix): w for n, w in state.items() if n.startswith(prefix)}
        return _described(weights, content)
    except (DamageError, InputError) as error:
        raise InputError(
            f"{path} cannot be read as a training checkpoint: {error}; "
            "name a whole checkpoint written by sciml fit"
        ) from error


def best_of_run(path: Path) -> Path:
    """Return best.ckpt of a run's folder; another path stays as it is."""
    run = RunFolder(path)
    if run.best.exists():
        return run.best
    if run.config.exists() or run.checkpoints.exists():
        raise InputError(
            f"{path} is the folder of a run without {run.best.relative_to(path)}; let its training "
            "reach a validation, or name another checkpoint"
        )
    return path


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


def export(checkpoint: Checkpoint, folder: Path) -> None:
    """Write FOLDER/model.safetensors, and FOLDER/config.json: the operator and its provenance.

    Low-rank updates are added to the weights that they update. A checksum covers both files.

    Raises:
        InputError: the checkpoint does not describe an operator.
        OSError: the folder cannot be written.
    """
    from safetensors.torch import save_file

    if checkpoint.operator is None:
        raise InputError("an export needs a checkpoint of sciml fit, this describes no operator")
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: w.contiguous() for name, w in merged(checkpoint.weights).items()}
    told: dict[str, Any] = {
        OPERATOR: checkpoint.operator.plain(),
        PROVENANCE: checkpoint.provenance,
    }
    told[CHECKSUM] = weights_checksum(weights, json_text(told))
    with replacing(folder / WEIGHTS) as temporary:
        save_file(weights, temporary)
    write_whole(folder / CONFIG, json_text(told, indent=1))
    # safetensors lets the owner alone read the weights
    (folder / WEIGHTS).chmod((folder / CONFIG).stat().st_mode & 0o777)


def _read_export(folder: Path) -> Checkpoint:
    from safetensors.torch import load_file

    path = folder / WEIGHTS
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise DamageError(f"it is a folder without a file {name}")
    told = read_json(folder / CONFIG, dict[str, Any], remedy="export it again")
    try:
        weights = load_file(path)
    except Exception as error:  # what the header is damaged to decides what is raised
        raise DamageError(_in_one_line(error)) from error
    if told.pop(CHECKSUM, None) != weights_checksum(weights, json_text(told)):
        raise DamageError("it is damaged, or not written by sciml export")
    return _described(weights, told)


def _described(weights: dict[str, Tensor], told: Mapping[str, Any]) -> Checkpoint:
    operator, provenance = told.get(OPERATOR), told.get(PROVENANCE, {})
    if not isinstance(operator, dict):
        raise DamageError("it does not describe an operator")
    if not isinstance(provenance, dict):
        raise DamageError(f"its provenance is a {type(provenance).__name__}")
    described = OperatorDescription.from_plain(operator)
    return Checkpoint(weights=weights, operator=described, provenance=provenance)


def weights_checksum(weights: Mapping[str, Tensor], provenance: str = "") -> str:
    """Compute the CRC32 of the provenance and every tensor's name, type, shape and bytes."""
    value = crc32(provenance.encode())
    for name, tensor in sorted(weights.items()):
        value = crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), value)
        content = np.ascontiguousarray(tensor.reshape(-1).view(torch.uint8).numpy())
        value = crc32(content.data, value)
    return f"{value:08x}"


def _from_reference(state: Any) -> Checkpoint:
    """Convert the state of the paper's code: names without DDP's "module.", our layout."""
    plain = {name.removeprefix("module."): tensor for name, tensor in tensors(state).items()}
    try:
        ours = from_reference(plain)
    except (KeyError, RuntimeError, ValueError) as error:
        raise DamageError(
            f"its model_state is of another network ({_in_one_line(error)})"
        ) from error
    return Checkpoint(weights={f"network.{k}": v for k, v in ours.items()})


def tensors(state: Any) -> dict[str, Tensor]:
    """Return a value as the state of a module, None if it is none."""
    if not isinstance(state, dict) or not all(isinstance(t, Tensor) for t in state.values()):
        raise DamageError("it holds no weights: a state_dict of tensors is wanted")
    return dict(state)
