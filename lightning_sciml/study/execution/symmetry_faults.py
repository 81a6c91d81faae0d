"""Faults of runs by what is known of their equations: symmetries, and conserved means."""

from collections.abc import Iterator

from lightning_sciml.lists import listed
from lightning_sciml.pde.exact_augmentations import Question, augmentation_fault, lattice_fault
from lightning_sciml.pde.named_equation import AnyEquation, conserved_means
from lightning_sciml.shards.dataset_plan import DatasetPlan
from lightning_sciml.streaming.mixture_member import equation_of
from lightning_sciml.study.definition.runs import Init, Run
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.data_options import sets_of
from lightning_sciml.study.execution.run_config import Datasets, model_options


def symmetry_faults(study: StudyFile, runs: list[Run], datasets: Datasets) -> Iterator[str]:
    """Find augmentations and coordinates that are not exact, and means that are not conserved."""
    for run in runs:
        options = model_options(study, run)
        coordinates = listed(options.get("coordinates") or ())
        is_trained = run.init != Init.ZERO_SHOT
        augmentations = listed(options.get("augmentations") or ()) if is_trained else []
        of_set = {name: datasets[name] for name in sets_of(study, run) if name in datasets}
        known = {name: equation_of(manifest) for name, manifest in of_set.items()}
        unknown = ", ".join(name for name, equation in known.items() if equation is None)
        for key, names in (("augmentations", augmentations), ("coordinates", coordinates)):
            if unknown and names:
                what = f"recipes.{run.recipe}: no equation is known of {unknown}"
                yield f"{what}; leave out model.{key}"
        has_means = not known or any(map(conserved_means, known.values()))
        if options.get("conserves_means") and is_trained and not has_means:
            yield (
                f"recipes.{run.recipe}: no mean is conserved by the equations of "
                f"{', '.join(known)}; leave out model.conserves_means"
            )
        for name, equation in known.items():
            if equation is not None:
                for fault in _faults(of_set[name], equation, augmentations, coordinates):
                    yield f"recipes.{run.recipe}: {fault}"


def _faults(
    manifest: DatasetPlan, equation: AnyEquation, augmentations: list[str], coordinates: list[str]
) -> Iterator[str]:
    asked = Question(
        name=manifest.name,
        equation=equation,
        grid=manifest.grid,
        input_fields=(*manifest.input_fields, *manifest.state_fields),
        has_equal_intervals=manifest.has_equal_intervals,
    )
    found = [augmentation_fault(name, asked) for name in augmentations]
    if "lattice" in coordinates:
        found.append(lattice_fault(manifest.name, equation, manifest.grid))
    yield from filter(None, found)
