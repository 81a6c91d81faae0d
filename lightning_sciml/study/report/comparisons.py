"""The networks of a study beside the solvers of its data sets: errors, and what a solve costs."""

from collections.abc import Iterator
from dataclasses import dataclass

from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.study.definition.runs import Init, Run
from lightning_sciml.study.execution.costs import Costs, SetCosts, SolverCost
from lightning_sciml.study.execution.judged_windows import tested_windows
from lightning_sciml.study.execution.network_cost import fingerprint, operator_options
from lightning_sciml.study.execution.results import Result, ResultRow, finished_results
from lightning_sciml.study.report.break_even import BreakEven, Seconds, break_even, cheapest
from lightning_sciml.study.report.curves import Curve, curves
from lightning_sciml.study.report.lead_curves import rollout_error
from lightning_sciml.study.report.sections import Findings


@dataclass(frozen=True, kw_only=True)
class Paid:
    """Seconds of cores that a network has cost before its first solve.

    Attributes:
        generation: of its training and validation samples.
        generation_before: of those of its pre-training.
        pretraining: of all its seeds.
        training: of all learning rates and replicates.
        unknown: what else it has cost before, of which nobody knows how much.
    """

    generation: Seconds
    generation_before: Seconds
    pretraining: Seconds
    training: Seconds
    unknown: tuple[str, ...]

    @property
    def here(self) -> Seconds:
        """All that is paid where the pre-trained network is given."""
        return self.generation.plus(self.training)

    @property
    def all(self) -> Seconds:
        """All together."""
        return self.here.plus(self.generation_before).plus(self.pretraining)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """An arm of a study at one number of samples, beside the solver of its test set.

    Attributes:
        curve: errors of the arm.
        column: of the number of samples.
        network: of a solve.
        solver: the cheapest whose error is no larger.
        paid: before the first solve.
        solves: after which it has paid.
        solves_if_given: the same where the pre-trained network is given.
    """

    curve: Curve
    column: int
    network: Seconds
    solver: SolverCost
    paid: Paid
    solves: BreakEven
    solves_if_given: BreakEven

    @property
    def num_samples(self) -> int:
        """Downstream samples."""
        return self.curve.num_samples[self.column]

    @property
    def error(self) -> float:
        """Mean error of the network."""
        return float(self.curve.mean[self.column])


def comparisons(found: Findings, costs: Costs) -> Iterator[Comparison]:
    """Compare every arm whose network was measured, on every test set that a solver has made."""
    finished, _ = finished_results(found.study, found.study.runs())
    known = {curve.arm for curve in found.curves}
    for curve in (c for c in curves(found.rows, judged_error) if c.arm in known):
        own = [r.run for r in found.rows if r.arm == curve.arm and r.dataset == curve.dataset]
        of_set = costs.sets.get(curve.dataset)
        key = fingerprint(operator_options(found.study, own[0], found.manifests))
        if of_set and key in of_set.networks and _has_its_steps(found, own[0], of_set):
            network = Seconds.of(of_set.networks[key].elapsed_s)
            for column, num_samples in enumerate(curve.num_samples):
                runs = [run for run in own if run.num_samples == num_samples]
                paid = _paid(found, runs, finished, costs)
                yield _comparison(curve, column, network, of_set, paid)


def _has_its_steps(found: Findings, run: Run, costs: SetCosts) -> bool:
    """Tell whether the solver was measured, with steps as long as those that a run is tested on."""
    windows = tested_windows(found.study, run, found.manifests[run.datasets[0]])
    is_stable = any(variant.error is not None for variant in costs.solver.values())
    return is_stable and windows.stride == costs.stride


def judged_error(row: ResultRow) -> float | None:
    """Relative L2 of rollouts over all steps where there are any, else of the samples."""
    return row.relative_l2 if row.rollout is None else rollout_error(row)


def _comparison(
    curve: Curve, column: int, network: Seconds, costs: SetCosts, paid: Paid
) -> Comparison:
    variants, error = list(costs.solver.values()), float(curve.mean[column])
    resampled = curve.resampled()[:, column]
    solves, if_given = (
        break_even(seconds, network, variants, error, resampled, is_least=is_least)
        for seconds, is_least in ((paid.all, bool(paid.unknown)), (paid.here, False))
    )
    return Comparison(
        curve=curve,
        column=column,
        network=network,
        solver=cheapest(variants, error),
        paid=paid,
        solves=solves,
        solves_if_given=if_given,
    )


def _paid(found: Findings, runs: list[Run], finished: dict[Run, Result], costs: Costs) -> Paid:
    """Add up what all runs of an arm at one number of samples have cost."""
    origins = dict.fromkeys(run.pretrained for run in runs if run.pretrained)
    first, num_samples = runs[0], runs[0].num_samples
    downstream = before = Seconds.exactly(0.0)
    unknown: list[str] = []
    of_sets = dict.fromkeys(d for run in origins for d in run.datasets)
    for name in dict.fromkeys([*first.datasets, *of_sets]):
        known = costs.sets.get(name)
        if known is None or not known.generation_s:
            unknown.append(f"the making of {name}")
            continue
        seconds, manifest = Seconds.of(known.generation_s), found.manifests[name]
        if name in first.datasets and num_samples:
            downstream = downstream.plus(seconds.times(_num_labelled(found, first, manifest)))
        if name in of_sets:
            before = before.plus(seconds.times(_num_labelled(found, next(iter(origins)), manifest)))
    given = [run.pretraining for run in origins if found.study.given_checkpoint(run)]
    unknown += [f"the training of {name}" for name in dict.fromkeys(given)]
    return Paid(
        generation=downstream,
        generation_before=before,
        pretraining=_training(list(origins), finished),
        training=_training(runs, finished),
        unknown=tuple(unknown),
    )


def _training(runs: list[Run], finished: dict[Run, Result]) -> Seconds:
    results = (finished[run] for run in runs if run in finished)
    return Seconds.exactly(sum(r.fit_elapsed_s * (r.num_threads or 1) for r in results))


def _num_labelled(found: Findings, run: Run, manifest: Manifest) -> int:
    """Count the samples of a data set that a run was trained and validated on."""
    num_train, study = run.num_samples, found.study
    if run.init == Init.PRETRAIN:
        most = manifest.num_samples["train"]
        num_train = min(most, int(study.pretrain.data.get("num_train_samples", most)))
    is_validated = run.init == Init.PRETRAIN or study.selection == "full_val"
    return num_train + (manifest.num_samples["val"] if is_validated else 0)
