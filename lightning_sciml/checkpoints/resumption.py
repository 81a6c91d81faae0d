"""Find the checkpoint that a run resumes from, and remove those of an earlier run."""

import os
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only, rank_zero_warn

from lightning_sciml.checkpoints.files import DamageError, read_archive, tensors
from lightning_sciml.errors import InputError
from lightning_sciml.run_folder import BEST, LAST, PREVIOUS

DAMAGED = ".damaged"
RUN_STATE = (  # what Lightning resumes from
    "state_dict",
    "optimizer_states",
    "lr_schedulers",
    "loops",
    "callbacks",
    "epoch",
    "global_step",
    "pytorch-lightning_version",
)


def run_state(path: Path, *, mmap: bool = False) -> dict[str, Any]:
    """Read a checkpoint that training can be resumed from; `mmap` as for ``read_archive``.

    Raises:
        DamageError: it is damaged, or lacks a part of the state of a run.
    """
    content = read_archive(path, mmap=mmap)
    missing = [part for part in RUN_STATE if part not in content]
    if missing:
        raise DamageError(f"it is no checkpoint of a run, it holds no {missing[0]}")
    tensors(content["state_dict"])
    return content


def given_state(path: Path, *, mmap: bool = False) -> dict[str, Any]:
    """Read the checkpoint that a user names to resume from.

    Raises:
        InputError: it is damaged, or no checkpoint of a run.
    """
    try:
        return run_state(path, mmap=mmap)
    except DamageError as error:
        raise InputError(
            f"{path} cannot be resumed from: {error}; name a whole last.ckpt or previous.ckpt "
            "of a run, or start from weights alone by FineTuningModule"
        ) from error


def checkpoint_to_resume(directory: Path) -> Path | None:
    """Return the newest whole checkpoint of a run; warn if a newer one is damaged.

    A damaged last.ckpt is renamed to last.ckpt.damaged: as previous.ckpt, which it would become
    with the next write, it would replace the whole one.

    Raises:
        InputError: there are checkpoints, and all of them are damaged.
    """
    candidates = [path for name in (LAST, PREVIOUS) if os.path.lexists(path := directory / name)]
    faults = []
    for path in candidates:
        try:
            run_state(path, mmap=True)
        except DamageError as error:
            faults.append(str(error))
            continue
        if faults:
            rank_zero_warn(
                f"{candidates[0]} is damaged ({faults[0]}): resuming from {path}, "
                f"the damaged one is kept as {LAST}{DAMAGED}"
            )
            if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
                set_aside(candidates[0])
        return path
    if candidates:
        raise InputError(
            f"no checkpoint in {directory} is whole ({faults[0]}), cannot resume; "
            "start over with --resume false, or give another --run_dir"
        )
    return None


def set_aside(path: Path) -> None:
    """Rename a file that is no checkpoint, so that one can be written under its name."""
    path.rename(path.with_name(path.name + DAMAGED))


def remove_checkpoints(directory: Path, *, but: str | None) -> None:
    """Remove the checkpoints of an earlier run, except the file that this one starts from."""
    if (damaged := directory / (LAST + DAMAGED)).is_file():
        damaged.unlink()
    for path in (directory / name for name in (LAST, PREVIOUS, BEST)):
        if but is None or path.resolve() != Path(but).resolve():
            if path.is_dir() and not path.is_symlink():
                set_aside(path)
            path.unlink(missing_ok=True)
