"""A study as its YAML describes it: what varies between runs, and what they share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal

from lightning_sciml.errors import InputError
from lightning_sciml.names import name_fault
from lightning_sciml.paths import expanded
from lightning_sciml.study.definition.checked_values import checked
from lightning_sciml.study.definition.runs import DownstreamRun, Init, PretrainingRun, Run
from lightning_sciml.study.definition.scales import read_at_scale
from lightning_sciml.study.definition.study_parts import Grid, Options, Pretraining, Recipe, Stage

Selection = Literal["full_val", "budgeted", "last"]


@dataclass(frozen=True, kw_only=True)
class StudyFile:
    """A study; `sciml config list` names some.

    Attributes:
        name: of the file, without its ending.
        title: of the report.
        output: folder of runs and report.
        data_dir: folder of the data sets.
        models: arguments of the network by name of the size.
        pretrainings: by name.
        pretrain: what all pre-trainings have in common.
        downstream: what all downstream runs have in common.
        grids: of downstream runs.
        recipes: by name.
        network: class of the network.
        selection: what chooses checkpoint and learning rate: the whole validation split
            ("full_val", as in the paper), a quarter of the downstream samples themselves
            ("budgeted"), or nothing ("last": the last checkpoint, one rate).
        generate: options of `sciml generate` by name of a data set; "all" for all of them.
        target_errors: for which the report says how many samples are needed.
        keep_checkpoints: keep those of downstream runs as well.
        matmul_precision: of products of float32 matrices: "high" takes TF32 on a GPU.
    """

    name: str
    title: str
    output: Path
    data_dir: Path
    models: Mapping[str, Options]
    pretrainings: Mapping[str, Pretraining]
    pretrain: Stage
    downstream: Stage
    grids: Sequence[Grid]
    recipes: Mapping[str, Recipe] = field(default_factory=lambda: {"paper": Recipe()})
    network: str = "lightning_sciml.models.fno.FNO"
    selection: Selection = "full_val"
    generate: Mapping[str, Options] = field(default_factory=dict)
    target_errors: Sequence[float] = ()
    keep_checkpoints: bool = False
    matmul_precision: Literal["highest", "high", "medium"] = "highest"

    @classmethod
    def load(cls, path: str | Path, scale: str | None = None) -> "StudyFile":
        """Read and check a study at one of its scales, the first by default.

        Raises:
            InputError: no such file or scale, or a list of all that is wrong in it.
        """
        study, faults = cls.read(path, scale)
        if study is None or faults:
            raise InputError(f"{path} has {len(faults)} faults:\n  " + "\n  ".join(faults))
        return study

    @classmethod
    def read(
        cls, path: str | Path, scale: str | None = None
    ) -> tuple["StudyFile | None", list[str]]:
        """Read what is valid of a study, and a line on each fault.

        Grids with faults are left out, so that what remains can be checked further; nothing remains
        where the file has no models, data folder or stages.

        Raises:
            InputError: no such file or scale.
        """
        content = read_at_scale(Path(path), scale)
        if not isinstance(content, dict):
            return None, [f"a mapping is wanted, got {content!r:.60}"]
        faults: list[str] = []
        study = _study(content, faults)
        if study is None:
            return None, faults
        faults += study.faults()
        sound = [grid for grid in study.grids if not study.grid_faults(grid)]
        return replace(study, grids=sound), faults

    def run_dir(self, run: Run) -> Path:
        """Folder of a run."""
        return self.output / "runs" / run.name

    def dataset_dir(self, name: str) -> Path:
        """Folder of a data set."""
        return self.data_dir / name

    @property
    def dataset_names(self) -> list[str]:
        """Data sets of all runs, each once."""
        used = [
            d
            for name, pretraining in self.pretrainings.items()
            if any(name in grid.pretrainings for grid in self.grids)
            for d in pretraining.datasets
        ]
        used += [d for grid in self.grids for d in grid.datasets]
        return list(dict.fromkeys(used))

    def datasets_of(self, run: Run) -> Sequence[str]:
        """Data sets that a run is trained on; those of a pre-training are tested, too."""
        if isinstance(run, PretrainingRun):
            return self.pretrainings[run.pretraining].datasets
        return [run.dataset]

    def runs(self) -> list[Run]:
        """List every run once: first all pre-trainings, then the runs that start from them."""
        downstream = dict.fromkeys(r for grid in self.grids for r in self._expand(grid))
        pretrained = dict.fromkeys(r.pretrained for r in downstream if r.pretrained)
        return [*(r for r in pretrained if not self.given_checkpoint(r)), *downstream]

    def given_checkpoint(self, run: PretrainingRun) -> str | None:
        """Path of the checkpoint that the study gives instead of this run, if any."""
        checkpoint = self.pretrainings[run.pretraining].checkpoint
        return str(expanded(checkpoint)) if checkpoint else None

    def _expand(self, grid: Grid) -> list[DownstreamRun]:
        runs = []
        draws = grid.subset_draws
        replicates = (
            [(seed, seed) for seed in grid.seeds]
            if draws == "seed"
            else list(product(grid.seeds, draws))
        )
        for dataset, model, recipe, (seed, draw), init in product(
            grid.datasets,
            self.models if grid.models is None else grid.models,
            self.recipes if grid.recipes is None else grid.recipes,
            replicates,
            map(Init, grid.inits),
        ):
            origins: Sequence[str | None] = [None] if init == Init.SCRATCH else grid.pretrainings
            samples: list[tuple[int, float | None]] = [(0, None)]
            if init != Init.ZERO_SHOT:
                samples = list(product(grid.num_samples, grid.learning_rates))
            for origin, (num_samples, rate) in product(origins, samples):
                pretrained = self._pretraining_run(origin, model, recipe, seed) if origin else None
                runs.append(
                    DownstreamRun(
                        init=init,
                        dataset=dataset,
                        model=model,
                        recipe=recipe,
                        pretrained=pretrained,
                        num_samples=num_samples,
                        learning_rate=rate,
                        seed=pretrained.seed if pretrained and not num_samples else seed,
                        subset_draw=draw if num_samples else 0,
                    )
                )
        return runs

    def _pretraining_run(self, name: str, model: str, recipe: str, seed: int) -> PretrainingRun:
        seeds = self.pretrain.seeds
        return PretrainingRun(
            pretraining=name,
            model=model,
            recipe=self.recipes[recipe].pretrained_as or recipe,
            seed=seeds[seed % len(seeds)],
        )

    def faults(self) -> list[str]:
        """List unknown names and invalid values, one line each."""
        found = [f"pretrain: {fault}" for fault in self.pretrain.faults()]
        found += [f"downstream: {fault}" for fault in self.downstream.faults()]
        found += [
            f"downstream: data.{key} follows from the grids; leave it out"
            for key in ("num_train_samples", "samples_per_epoch", "subset_seed")
            if key in self.downstream.data
        ]
        found += [
            f"{kind} must name at least one, got none"
            for kind in ("models", "recipes")
            if not getattr(self, kind)
        ]
        for kind in ("pretrainings", "recipes"):
            for name, part in getattr(self, kind).items():
                found += [f"{kind}.{name}: {fault}" for fault in part.faults()]
        for number, grid in enumerate(self.grids):
            found += [f"grids[{number}]: {fault}" for fault in self.grid_faults(grid)]
        found += self._reference_faults()
        names = [*self.models, *self.pretrainings, *self.recipes, *self.dataset_names]
        found += [fault for name in (self.name, *names) if (fault := name_fault(name))]
        found += [
            f"a name in a study has no '-', which separates names in those of runs, got {name!r}"
            for name in names
            if "-" in str(name)
        ]
        return found

    def _reference_faults(self) -> list[str]:
        found = []
        for name, recipe in self.recipes.items():
            if recipe.pretrained_as not in (None, *self.recipes):
                found.append(
                    f"recipes.{name}: no recipe {recipe.pretrained_as} to be pretrained_as"
                )
        found += [
            f"generate: no data set {name} in this study; it has {', '.join(self.dataset_names)}"
            for name in self.generate
            if name not in ("all", *self.dataset_names)
        ]
        return found

    def grid_faults(self, grid: Grid) -> list[str]:
        """List unknown names and contradictions of a grid, one line each."""
        found = grid.faults()
        for key in ("models", "pretrainings", "recipes"):
            known = getattr(self, key)
            found += [
                f"unknown name {name} in {key}; the study has {', '.join(map(str, known))}"
                for name in getattr(grid, key) or ()
                if name not in known
            ]
        if self.selection == "last" and len(grid.learning_rates) > 1:
            found.append(
                "selection last chooses nothing, so one learning rate is wanted, "
                f"got {list(grid.learning_rates)}"
            )
        if self.selection == "budgeted" and any(n < 2 for n in grid.num_samples):
            found.append("selection budgeted needs at least 2 samples, one of them to validate on")
        return found


def _study(content: dict[str, Any], faults: list[str]) -> StudyFile | None:
    values: dict[str, Any] = {"title": content["name"], **content}
    defaults = values.pop("grid", {})
    for key, stage in (("pretrain", Stage), ("downstream", Stage)):
        if key in values:
            values[key] = checked(stage, values[key], key, faults)
    for key, kind in (("pretrainings", Pretraining), ("recipes", Recipe), ("models", None)):
        if isinstance(values.get(key), dict):
            of_name = {n: _part(kind, v, f"{key}.{n}", faults) for n, v in values[key].items()}
            values[key] = {n: part for n, part in of_name.items() if part is not None}
    if "grids" in values:
        values["grids"] = _grids(values["grids"], defaults, faults)
    for key in ("output", "data_dir"):
        if isinstance(values.get(key), str):
            values[key] = expanded(values[key])
    study: StudyFile | None = checked(StudyFile, values, "", faults)
    return study


def _grids(values: Any, defaults: Any, faults: list[str]) -> list[Grid]:
    """Check every grid, over the defaults of the section `grid`."""
    if not isinstance(defaults, dict):
        faults.append(f"grid must be a mapping of what all grids share, got {defaults!r}")
        return []
    if not isinstance(values, list) or not values:
        faults.append(f"grids must hold at least one grid, got {values!r}")
        return []
    whole = [{**defaults, **v} if isinstance(v, dict) else v for v in values]
    grids = [checked(Grid, value, f"grids[{i}]", faults) for i, value in enumerate(whole)]
    return [grid for grid in grids if grid is not None]


def _part(kind: type | None, value: Any, where: str, faults: list[str]) -> Any:
    """Check one of several named parts; without a kind it is a mapping of options."""
    if kind is not None:
        return checked(kind, value or {}, where, faults)
    if isinstance(value, dict):
        return value
    faults.append(f"{where}: a mapping is wanted, got {value!r}")
    return None
