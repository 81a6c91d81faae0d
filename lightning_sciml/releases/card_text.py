"""The text of a card: what an operator takes, how it was trained, where it is good and fails."""

from collections.abc import Iterator
from typing import Any

import yaml

from lightning_sciml.checkpoints.files import Checkpoint
from lightning_sciml.operators.description import OperatorDescription, TrainedProblem
from lightning_sciml.plain_text import counted
from lightning_sciml.releases.card import Card, Result

GOOD, POOR = 0.05, 0.2
"""Mean relative L² errors up to which a card calls an operator good, and from which it fails."""


def card_text(card: Card, checkpoint: Checkpoint) -> str:
    """Write the text of a card."""
    operator = checkpoint.operator
    assert operator is not None  # noqa: S101 -- it was exported
    sections = [
        [f"# {card.name}", "", card.summary],
        ["## Apply it", "", *_usage(card, operator)],
        ["## What it takes", "", *_problems(operator, _titles(card))],
        ["## Errors", "", *_errors(card, operator)],
        ["## Where it is good, and where it fails", "", *_judgement(card)],
        ["## How it was trained", "", *_training(card, checkpoint)],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def _titles(card: Card) -> dict[str, str]:
    return {result.dataset.type: result.dataset.name for result in card.results}


def _usage(card: Card, operator: OperatorDescription) -> Iterator[str]:
    problem = operator.problems[0]
    is_evolution = bool(problem.state_fields)
    names = problem.input_fields
    pairs = ", ".join(f'"{name}": {_word(name)}' for name in names)
    given = names[0] if len(names) == 1 else "fields"
    numbers = "".join(f", {name}={_middle(problem, name):.3g}" for name in problem.asked_names)
    verb, steps = ("rollout", ", num_steps=10") if is_evolution else ("predict", "")
    yield "```python"
    yield "from lightning_sciml import load_operator"
    yield ""
    yield f'operator = load_operator("{card.name}")'
    if given == "fields":
        yield f"fields = {{{pairs}}}"
    yield f"prediction = operator.{verb}({given}{steps}{numbers})"
    yield "```"
    yield ""
    yield f"Fields are arrays (H, W) or (B, H, W), [y, x], under the names {_listed(names)}."


def _middle(problem: TrainedProblem, name: str) -> float:
    """Return a plain number in the middle of a coefficient's range; 0 where that is nearly it."""
    low, high = problem.ranges[name]
    middle = (low + high) / 2
    return middle if abs(middle) > 0.05 * (high - low) else 0.0


def _word(name: str) -> str:
    return name.replace("@-", "_before_")


def _problems(operator: OperatorDescription, titles: dict[str, str]) -> Iterator[str]:
    yield "| problem | inputs | outputs | grid | coefficients of the training |"
    yield "|---|---|---|---|---|"
    for problem in operator.problems:
        title = titles.get(problem.name, problem.name)
        height, width = problem.grid.shape
        edges = " × ".join(dict.fromkeys(problem.grid.boundary))
        cells = (
            f"{title} (`{problem.name}`)",
            ", ".join(problem.input_fields),
            ", ".join(problem.output_fields),
            f"{height}×{width}, {edges}",
            ", ".join(_ranges(problem)) or "none",
        )
        yield f"| {' | '.join(cells)} |"


def _ranges(problem: TrainedProblem) -> Iterator[str]:
    for name in problem.asked_names:
        shown = dict.fromkeys(f"{number:.3g}" for number in problem.ranges[name])
        yield f"{name} {' … '.join(shown)}"


def _errors(card: Card, operator: OperatorDescription) -> Iterator[str]:
    trained = {problem.name for problem in operator.problems}
    has_rollouts = any(_value(result, "rollouts_lost") is not None for result in card.results)
    yield "Relative L² errors ‖û − u‖/‖u‖ on test splits" + (
        ", of evolutions in one step and in rollouts over all stored times."
        if has_rollouts
        else "."
    )
    yield ""
    more = " rollouts |" if has_rollouts else ""
    yield f"| data set | trained on it | mean | largest |{more}"
    yield f"|---|---|---|---|{'---|' if has_rollouts else ''}"
    for result in card.results:
        name = result.dataset.type
        cells = [f"{result.dataset.name} (`{name}`)", "yes" if name in trained else "no"]
        cells += [_number(result, kind) for kind in ("relative_l2", "relative_l2_max")]
        cells += [_rollouts(result)] if has_rollouts else []
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield (
        f"`sciml test {card.name}` makes the test splits again and meets each of these numbers to "
        "0.1 %. The head of this file has all digits and, for each number, the SHA-256 of the "
        "table of samples that `sciml test` writes."
    )


def _value(result: Result, kind: str) -> float | None:
    return next((metric.value for metric in result.metrics if metric.type == kind), None)


def _number(result: Result, kind: str) -> str:
    value = _value(result, kind)
    return "" if value is None else f"{value:.3g}"


def _rollouts(result: Result) -> str:
    lost, error = _value(result, "rollouts_lost"), _number(result, "rollout_relative_l2")
    return f"{error}{f', {lost:.0f} left all bounds' if lost else ''}"


def _judgement(card: Card) -> Iterator[str]:
    """Sort the data sets by their mean errors, of evolutions those of rollouts."""
    good, poor = f"{100 * GOOD:.0f} %", f"{100 * POOR:.0f} %"
    kinds = {
        f"**Good**, mean error up to {good}": lambda e: e <= GOOD,
        f"**Fair**, up to {poor}, a first guess or a start": lambda e: GOOD < e < POOR,
        f"**Fails**, {poor} or more, fine-tune it there": lambda e: e >= POOR,
    }
    errors = [(result.dataset.name, *_judged(result)) for result in card.results]
    for kind, belongs in kinds.items():
        names = [f"{name} ({told})" for name, error, told in errors if belongs(error)]
        if names:
            yield f"- {kind}: {'; '.join(names)}."
    yield (
        "- Coefficients outside of the ranges above, other grids, and inputs unlike those of the "
        "data sets are untested; `operator.predict(..., report=True)` tells what leaves the ranges."
    )


def _judged(result: Result) -> tuple[float, str]:
    """Return the error that decides whether an operator is good on a set, and what to say."""
    error = _value(result, "relative_l2") or 0.0
    if _value(result, "rollouts_lost") is None:
        return error, f"{error:.2g}"
    in_rollouts = _value(result, "rollout_relative_l2")
    if in_rollouts is None or _value(result, "rollouts_lost"):
        return float("inf"), f"{error:.2g} in one step, rollouts leave all bounds"
    return in_rollouts, f"{error:.2g} in one step, {in_rollouts:.2g} in rollouts"


def _training(card: Card, checkpoint: Checkpoint) -> Iterator[str]:
    told = checkpoint.provenance
    config = yaml.safe_load(told["config"])
    steps, batch = told["num_steps"], config["data"]["batch_size"]
    cost, weights = card.training, checkpoint.weights
    number = sum(w.numel() for name, w in weights.items() if name.startswith("network."))
    seed = config["seed_everything"]
    line = f"{number:,} parameters, {steps:,} steps of {batch} samples, seed {seed}"
    if cost is not None:
        line += f", in {cost.elapsed_s:,.0f} s"
        of_each = f" of {counted(cost.num_threads, 'thread')}" if cost.num_threads else ""
        processes = "1 process" if cost.world_size == 1 else f"{cost.world_size} processes"
        line += f" on {processes}{of_each}"
    versions = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    yield f"{line}; {versions}."
    yield f"`sciml inspect {card.name}` shows the whole configuration."
    yield ""
    yield from _trained_sets(told["datasets"], card)
    yield ""
    yield (
        "Each set is a function of its options of `sciml generate`, in the head of this file under "
        "`args`, and of its seed. The checksum is that of all its samples."
    )


def _trained_sets(records: list[dict[str, Any]], card: Card) -> Iterator[str]:
    seeds = {r.dataset.type: r.dataset.args.get("seed", "imported") for r in card.results}
    yield "| data set | training samples | seed | checksum |"
    yield "|---|---|---|---|"
    for record in records:
        name = record["name"]
        cells = (name, f"{record['num_train_samples']:,}", str(seeds.get(name)), record["checksum"])
        yield f"| {' | '.join(cells)} |"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
