"""A study as its YAML describes it: what varies between runs, and what they share."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Literal

from lightning_sciml.paths import expanded
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.study.definition.runs import Init, Run
from lightning_sciml.study.definition.study_parts import Grid, Options, Pretraining, Recipe, Stage

FNO_CLASS = "lightning_sciml.models.fno.FNO"
Selection = Literal["full_val", "budgeted", "last"]


@dataclass(frozen=True, kw_only=True)
class StudyFile:
    """A study; `sciml config list` names some.

    Attributes:
        name: of the file, without its ending.
        title: of the report.
        output: folder of runs and report.
        data_dir: folder of the data sets.
        models: arguments of the network by name of the size, or its class_path and init_args.
        grids: of downstream runs.
        grid: what all grids share unless they say otherwise.
        pretrainings: by name.
        pretrain: what all pre-trainings have in common; not needed where nothing is pre-trained.
        downstream: what all downstream runs have in common; not needed where all are zero-shot.
        recipes: by name.
        selection: what chooses checkpoint and learning rate: the whole validation split
            ("full_val", as in the paper), a quarter of the downstream samples themselves
            ("budgeted"), or nothing ("last": the last checkpoint, one rate).
        search: train all learning rates in full ("all"), or by successive halving: at each rung the
            half with the larger validation errors stops ("halving").
        rungs: steps of the rungs, rounded up to the next validation; by default half of a run, a
            quarter of it and so on, so many that one rate is left.
        generate: options of `sciml generate` by name of a data set; "all" for all of them, of which
            null leaves one out for a set.
        target_errors: for which the report says how many samples are needed.
        rollout: also test runs on data sets that evolve by rollouts of the test trajectories, from
            the first states to the last, or over so many steps.
        keep_checkpoints: keep those of downstream runs as well.
        matmul_precision: of products of float32 matrices: "high" takes TF32 on a GPU.
    """

    name: str
    title: str
    output: Path
    data_dir: Path
    models: Mapping[str, Any]
    grids: Sequence[Grid]
    grid: Options = field(default_factory=dict)
    pretrainings: Mapping[str, Pretraining] = field(default_factory=dict)
    pretrain: Stage = field(default_factory=Stage)
    downstream: Stage = field(default_factory=Stage)
    recipes: Mapping[str, Recipe] = field(default_factory=lambda: {"paper": Recipe()})
    selection: Selection = "full_val"
    search: Literal["all", "halving"] = "all"
    rungs: Sequence[int] = ()
    generate: Mapping[str, Options] = field(default_factory=dict)
    target_errors: Sequence[float] = ()
    rollout: Literal["all"] | int | None = None
    keep_checkpoints: bool = False
    matmul_precision: Literal["highest", "high", "medium"] = "highest"

    def run_dir(self, run: Run) -> Path:
        """Folder of a run."""
        return self.output / "runs" / run.name

    def dataset_dir(self, name: str) -> Path:
        """Folder of a data set."""
        return self.data_dir / name

    @property
    def dataset_names(self) -> list[str]:
        """Data sets of all runs, each once."""
        used = [d for p in self.used_pretrainings() for d in p.datasets]
        return list(dict.fromkeys([*used, *(d for grid in self.grids for d in grid.datasets)]))

    def used_pretrainings(self) -> list[Pretraining]:
        """Pre-trainings that runs start from."""
        names = {n for grid in self.grids if grid.starts_from_weights for n in grid.pretrainings}
        return [p for name, p in self.pretrainings.items() if name in names]

    def network_of(self, model: str) -> tuple[str, Options]:
        """Class of a model's network, by default the FNO, and the arguments it is given."""
        options = self.models[model]
        if "class_path" in options:
            return options["class_path"], options.get("init_args") or {}
        return FNO_CLASS, options

    def given_checkpoint(self, run: Run) -> str | None:
        """Path of the checkpoint that the study gives instead of this run, if any."""
        checkpoint = self.pretrainings[run.pretraining].checkpoint
        return str(expanded(checkpoint)) if checkpoint else None

    def checkpoint_of(self, run: Run) -> str:
        """Path of the checkpoint that downstream runs start from."""
        return self.given_checkpoint(run) or str(RunFolder(self.run_dir(run)).best)

    def runs(self) -> list[Run]:
        """List every run once: first all pre-trainings, then the runs that start from them."""
        downstream = dict.fromkeys(r for grid in self.grids for r in self._expand(grid))
        pretrained = dict.fromkeys(r.pretrained for r in downstream if r.pretrained)
        return [*(r for r in pretrained if not self.given_checkpoint(r)), *downstream]

    def _expand(self, grid: Grid) -> Iterator[Run]:
        if grid.subset_draws == "seed":
            replicates = [(seed, seed) for seed in grid.seeds]
        else:
            replicates = list(product(grid.seeds, grid.subset_draws))
        for dataset, model, recipe, (seed, draw), init in product(
            grid.datasets,
            self.models if grid.models is None else grid.models,
            self.recipes if grid.recipes is None else grid.recipes,
            replicates,
            map(Init, grid.inits),
        ):
            arm = {"init": init, "datasets": (dataset,), "model": model, "recipe": recipe}
            trained: list[dict[str, Any]] = [
                {"num_samples": n, "learning_rate": rate, "seed": seed, "subset_draw": draw}
                for n, rate in product(grid.num_samples, grid.learning_rates)
            ]
            if init == Init.SCRATCH:
                yield from (Run(**arm, **factors) for factors in trained)
                continue
            for name in grid.pretrainings:
                origin = self._origin(name, model, recipe, seed)
                whole = [{"seed": origin.seed}] if init == Init.ZERO_SHOT else trained
                for factors in whole:
                    yield Run(**arm, **factors, pretraining=name, pretrained=origin)

    def _origin(self, pretraining: str, model: str, recipe: str, seed: int) -> Run:
        seeds = self.pretrain.seeds
        return Run(
            init=Init.PRETRAIN,
            pretraining=pretraining,
            datasets=tuple(self.pretrainings[pretraining].datasets),
            model=model,
            recipe=self.recipes[recipe].pretrained_as or recipe,
            seed=seeds[seed % len(seeds)],
        )
