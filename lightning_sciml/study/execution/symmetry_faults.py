"""Faults of runs whose augmentations or coordinates are not exact for their data sets."""

from collections.abc import Iterator

from lightning_sciml.lists import listed
from lightning_sciml.pde.exact_augmentations import augmentation_fault, lattice_fault
from lightning_sciml.pde.named_equation import AnyEquation
from lightning_sciml.shards.dataset_plan import DatasetPlan
from lightning_sciml.streaming.mixture_member import equation_of
from lightning_sciml.study.definition.runs import Init, Run
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.run_config import Datasets, model_options


def symmetry_faults(study: StudyFile, runs: list[Run], datasets: Datasets) -> Iterator[str]:
    """Find augmentations and coordinates that are not exact for the data sets of a run."""
    for run in runs:
        options = model_options(study, run)
        coordinates = listed(options.get("coordinates") or ())
        is_trained = run.init != Init.ZERO_SHOT
        augmentations = listed(options.get("augmentations") or ()) if is_trained else []
        of_set = {n: datasets[n] for n in run.datasets if n in datasets}
        known = {name: equation_of(manifest) for name, manifest in of_set.items()}
        unknown = ", ".join(name for name, equation in known.items() if equation is None)
        for key, names in (("augmentations", augmentations), ("coordinates", coordinates)):
            if unknown and names:
                what = f"recipes.{run.recipe}: no equation is known of {unknown}"
                yield f"{what}; leave out model.{key}"
        for name, equation in known.items():
            if equation is not None:
                for fault in _faults(of_set[name], equation, augmentations, coordinates):
                    yield f"recipes.{run.recipe}: {fault}"


def _faults(
    manifest: DatasetPlan, equation: AnyEquation, augmentations: list[str], coordinates: list[str]
) -> Iterator[str]:
    given, is_even = (manifest.name, equation, manifest.grid), manifest.has_equal_intervals
    found = [augmentation_fault(n, *given, has_equal_intervals=is_even) for n in augmentations]
    if "lattice" in coordinates:
        found.append(lattice_fault(*given))
    yield from filter(None, found)
