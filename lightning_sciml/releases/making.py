"""Make a released operator of a finished run: config.json, model.safetensors and its card."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning_sciml.checkpoints.files import Checkpoint, export, read_checkpoint
from lightning_sciml.errors import InputError
from lightning_sciml.hub import CARD
from lightning_sciml.json_files import read_json
from lightning_sciml.names import check_name
from lightning_sciml.releases.card import Card, Result, Training
from lightning_sciml.releases.card_text import card_text
from lightning_sciml.releases.measuring import measured_metrics
from lightning_sciml.releases.tested_sets import tested_set
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.shards.manifest import Manifest


def make_release(
    run: Path, folder: Path, outside: Sequence[Path] = (), *, summary: str, license: str
) -> Card:
    """Export the best checkpoint of a run, measure it, and write its card.

    Args:
        run: folder of a finished run.
        folder: of the operator; its name is that of the operator.
        outside: folders of data sets beside those of the training, on which it is measured too.
        summary: one sentence for lists and the head of the card.
        license: of the weights, as the Hugging Face hub names it.

    Raises:
        InputError: there is a card already, or the run or a data set cannot be used.
        OSError: the folder cannot be written.
    """
    check_name(folder.name)
    if (folder / CARD).exists():
        raise InputError(f"{folder} has a card already; remove the folder, or name another")
    checkpoint = read_checkpoint(RunFolder(run).best)
    datasets = _datasets(checkpoint, outside)
    export(checkpoint, folder)
    with tempfile.TemporaryDirectory() as directory:
        results = [
            Result(
                task={"type": "other", "name": "solve a partial differential equation"},
                dataset=tested_set(manifest),
                metrics=measured_metrics(folder, dataset, Path(directory)),
            )
            for dataset, manifest in datasets.items()
        ]
    card = Card(
        name=folder.name,
        summary=summary,
        license=license,
        training=_training(run),
        results=tuple(results),
    )
    card.save(folder, card_text(card, checkpoint))
    return card


def _datasets(checkpoint: Checkpoint, outside: Sequence[Path]) -> dict[Path, Manifest]:
    """Load the manifests of all sets to be measured on; those of the training must be the same."""
    trained: list[dict[str, Any]] = checkpoint.provenance["datasets"]
    folders = [Path(folder) for folder in checkpoint.provenance["folders"]]
    found = {folder: Manifest.load(folder) for folder in (*folders, *outside)}
    for folder, record in zip(folders, trained, strict=True):
        if (checksum := found[folder].checksum) != record["checksum"]:
            raise InputError(
                f"the run was trained on {record['name']} with checksum {record['checksum']}, "
                f"{folder} has {checksum}; put the data set of the training there"
            )
    names = [manifest.name for manifest in found.values()]
    if len(set(names)) < len(names):
        raise InputError(f"data sets of a card need different names, got {', '.join(names)}")
    return found


def _training(run: Path) -> Training | None:
    try:
        return read_json(RunFolder(run).summary, Training, remedy="let the training end")
    except FileNotFoundError:
        return None
