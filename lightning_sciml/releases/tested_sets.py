"""Test sets of a card: the options of ``sciml generate`` that make them, and making them again."""

import subprocess
import sys
from pathlib import Path
from typing import Any
from zlib import crc32

import yaml

from lightning_sciml.errors import InputError, ReportedError
from lightning_sciml.releases.card import TestedSet
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.titles import title

_DRAWN = ("coefficients", "diffusivity")  # one of them is drawn for each generated sample


def tested_set(manifest: Manifest) -> TestedSet:
    """Describe the test split of a data set."""
    return TestedSet(
        type=manifest.name,
        name=title(manifest),
        revision=split_checksum(manifest),
        args=generation_options(manifest),
    )


def split_checksum(manifest: Manifest) -> str:
    """Return the CRC32 over the checksums of the test shards."""
    joined = "".join(record.checksum for record in manifest.shards if record.split == "test")
    return f"{crc32(joined.encode()):08x}"


def generation_options(manifest: Manifest) -> dict[str, Any]:
    """List the options of ``sciml generate`` that make a set; none if it was imported."""
    if not any(name in manifest.config for name in _DRAWN):
        return {}
    if manifest.is_evolution:
        domain: dict[str, Any] = {"lengths": list(manifest.grid.lengths)}
    else:
        domain = {"boundary": manifest.grid.boundary[0]}
    return {
        "name": manifest.name,
        **manifest.config,
        "num_points": manifest.grid.shape[0],
        **domain,
        "seed": manifest.seed,
        "shard_size": manifest.shard_size,
        **{f"num_{split}_samples": number for split, number in manifest.num_samples.items()},
    }


def generate_test_split(wanted: TestedSet, directory: Path) -> Path:
    """Make the test split of a set again, in a process of its own; return the folder of the set.

    Samples depend on seed, split and index alone, so the other splits are left out.

    Raises:
        InputError: the set was imported, so that nothing says how to make it.
        ReportedError: the generation failed; it has said why.
    """
    if not wanted.args:
        raise InputError(
            f"{wanted.type} was imported and cannot be made again; give its folder by --datasets, "
            "or choose others by --sets"
        )
    directory.mkdir(parents=True, exist_ok=True)
    config, folder = directory / f"{wanted.type}.yaml", directory / wanted.type
    config.write_text(yaml.safe_dump({**wanted.args, "num_train_samples": 0, "num_val_samples": 0}))
    words = ["generate", str(config), "--output", str(folder)]
    result = subprocess.run([sys.executable, "-m", "lightning_sciml.cli", *words], check=False)
    if result.returncode:
        raise ReportedError(f"sciml generate of {wanted.type} ended with {result.returncode}")
    return folder
