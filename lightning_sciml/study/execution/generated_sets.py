"""Data sets of a study: generate them, and compare those on disk with what the study asks for."""

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from lightning_sciml.errors import InputError
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.definition.study_parts import Options

# Say how a set is made; its samples are the same whatever they are.
NOT_COMPARED = ("config", "output", "resume", "shard_size")


def generation_command(study: StudyFile, name: str, num_ranks: int = 2) -> str:
    """Build the command that generates a data set of the study, or the rest of it."""
    options = dict(_options(study, name))
    config = str(options.pop("config", f"data/{name}"))
    words = ["mpirun", "-n", str(num_ranks), "sciml", "generate", config]
    words += ["--output", str(study.dataset_dir(name))]
    words += [word for key, value in options.items() for word in (f"--{key}", str(value))]
    return shlex.join(words)


def load_manifests(study: StudyFile) -> tuple[dict[str, Manifest], dict[str, InputError]]:
    """Load the manifests of finished data sets, and collect why others are missing."""
    found, missing = {}, {}
    for name in study.dataset_names:
        try:
            found[name] = Manifest.load(study.dataset_dir(name))
        except InputError as error:
            missing[name] = error
    return found, missing


def data_faults(
    study: StudyFile, found: Mapping[str, Manifest], missing: Mapping[str, InputError]
) -> Iterator[str]:
    """Name what differs between the data sets and what the study asks for, one line each."""
    for name, error in missing.items():
        reason = str(error)
        if not study.dataset_dir(name).exists():  # no other line makes the set of this study
            reason = f"data set {study.dataset_dir(name)} does not exist"
        yield f"{reason}; make it with: {generation_command(study, name)}"
    for name, manifest in found.items():
        folder, made = study.dataset_dir(name), _made_with(manifest)
        for key, value in _flat(_options(study, name)).items():
            is_compared = key not in NOT_COMPARED and value not in (None, "auto")
            if is_compared and not _is_same(value, made.get(key)):
                yield (
                    f"{folder} was made with {key}={made.get(key, 'nothing')}, the study wants "
                    f"{value}; use another data_dir, or change generate"
                )
        if manifest.name != name:  # results go by the names in the manifests
            yield (
                f"{folder} is called {manifest.name} in its manifest, the study wants {name}; "
                f"make it again with --name {name}"
            )


def _options(study: StudyFile, name: str) -> Options:
    """Merge the options of a set with those of all sets; null leaves one of these out."""
    merged = {**study.generate.get("all", {}), **study.generate.get(name, {})}
    return {key: value for key, value in merged.items() if value is not None}


def _made_with(manifest: Manifest) -> dict[str, Any]:
    """List the options of `sciml generate` by their names on the command line."""
    return {
        "name": manifest.name,
        "num_points": manifest.grid.shape[0],
        "lengths": list(manifest.grid.lengths),
        "boundary": manifest.grid.boundary[0],
        "seed": manifest.seed,
        **{f"num_{split}_samples": number for split, number in manifest.num_samples.items()},
        **_flat(manifest.config),
    }


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """List leaves by dotted name, without init_args, which may be left out."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}".replace(".init_args", "")
        leaves |= _flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return leaves


def _is_same(wanted: Any, made: Any) -> bool:
    """Tell whether an option, as YAML or as text, agrees with the manifest."""
    if isinstance(wanted, str) and isinstance(made, str):
        return wanted.split(".")[-1] == made  # a class may be given with its module
    if isinstance(wanted, str):
        try:
            wanted = json.loads(wanted)
        except ValueError:
            return False
    return bool(wanted == made)
