"""Data sets of a study: generate them, and compare those on disk with what the study asks for."""

import json
import shlex
from collections.abc import Mapping
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


def missing_datasets(study: StudyFile) -> list[str]:
    """List data sets that are missing or incomplete."""
    missing = []
    for name in study.dataset_names:
        try:
            Manifest.load(study.dataset_dir(name))
        except InputError:
            missing.append(name)
    return missing


def load_manifests(study: StudyFile, faults: list[str]) -> dict[str, Manifest]:
    """Load manifests by name, and add missing and different sets to `faults`."""
    manifests = {}
    for name in study.dataset_names:
        try:
            manifest = Manifest.load(study.dataset_dir(name))
        except InputError as error:
            faults.append(f"{error}: {generation_command(study, name)}")
            continue
        manifests[name] = manifest
        faults += _differences(study, name, manifest)
    return manifests


def _options(study: StudyFile, name: str) -> Options:
    return {**study.generate.get("all", {}), **study.generate.get(name, {})}


def _differences(study: StudyFile, name: str, manifest: Manifest) -> list[str]:
    folder, made = study.dataset_dir(name), _made_with(manifest)
    wanted = {
        key: value
        for key, value in _flat(_options(study, name)).items()
        if key not in NOT_COMPARED and value is not None
    }
    found = [
        f"{folder} was made with {key}={made.get(key, 'nothing')}, the study wants {value}; "
        "use another data_dir, or change generate"
        for key, value in wanted.items()
        if key not in made or not _is_same(value, made[key])
    ]
    if manifest.name != name:  # results go by the names in the manifests
        found.append(
            f"{folder} is called {manifest.name} in its manifest, the study wants {name}; "
            f"make it again with --name {name}"
        )
    return found


def _made_with(manifest: Manifest) -> dict[str, Any]:
    """List the options of `sciml generate` by their names on the command line."""
    return {
        "name": manifest.name,
        "num_points": manifest.num_points,
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
    if isinstance(made, list) and isinstance(wanted, (list, tuple)):
        pairs = zip(wanted, made, strict=False)
        return len(wanted) == len(made) and all(_is_same(*pair) for pair in pairs)
    if isinstance(wanted, str) and not isinstance(made, str):
        try:
            return bool(_is_same(json.loads(wanted), made))
        except ValueError:
            return False
    if isinstance(wanted, str):  # a class may be given with its module
        return wanted.split(".")[-1] == made
    return bool(wanted == made)
