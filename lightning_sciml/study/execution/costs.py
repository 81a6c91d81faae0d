"""What solves cost, by networks of a study and by solvers: OUTPUT/report/costs.json."""

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lightning_sciml.json_files import json_text, read_json
from lightning_sciml.shards.durable import write_whole
from lightning_sciml.study.definition.study_file import StudyFile

REMEDY = "remove it and run sciml study measure again"


@dataclass(frozen=True, kw_only=True)
class SolverCost:
    """One variant of the solver of a data set.

    Attributes:
        line: what it has in common with variants that differ in one choice alone.
        name: of the variant.
        elapsed_s: seconds a solve, in each repeat.
        error: mean relative L2 against the data set; None where the solver is unstable.
    """

    line: str
    name: str
    elapsed_s: list[float]
    error: float | None


@dataclass(frozen=True, kw_only=True)
class NetworkCost:
    """One network on a data set.

    Attributes:
        name: model and recipe.
        batch_size: with which it is fastest.
        elapsed_s: seconds a solve, in each repeat.
    """

    name: str
    batch_size: int
    elapsed_s: list[float]


@dataclass(kw_only=True)
class SetCosts:
    """Costs on one data set.

    Attributes:
        judged: what a solve is; costs of another one are not compared.
        generation_s: seconds that it takes to make one sample, in each repeat; none where no solver
            of this project made it.
        stride: stored times from one state of a solve to the next.
        solver: variants of the solver, by name.
        networks: by the fingerprint of their configuration.
    """

    judged: str
    generation_s: list[float] = field(default_factory=list)
    solver: dict[str, SolverCost] = field(default_factory=dict)
    networks: dict[str, NetworkCost] = field(default_factory=dict)
    stride: int = 1

    def __post_init__(self) -> None:
        """Reject values that nothing measured can have."""
        numbers: list[float | None] = [*self.generation_s]
        numbers += [x for cost in self.solver.values() for x in (*cost.elapsed_s, cost.error)]
        numbers += [x for c in self.networks.values() for x in (*c.elapsed_s, c.batch_size)]
        if not all(number is None or 0 <= number < math.inf for number in numbers):
            raise ValueError("seconds and errors must be at least 0 and finite")


@dataclass(kw_only=True)
class Costs:
    """Costs of the solves of a study, in seconds of one core.

    Attributes:
        machine: what they were measured on; costs of two machines are not compared.
        num_threads: of everything measured.
        sets: by name of the data set.
    """

    machine: str
    num_threads: int
    sets: dict[str, SetCosts] = field(default_factory=dict)


def costs_path(study: StudyFile) -> Path:
    """Return the path of the file."""
    return study.output / "report" / "costs.json"


def read_costs(study: StudyFile) -> Costs | None:
    """Read what was measured; None where nothing was.

    Raises:
        InputError: the file is damaged.
    """
    path = costs_path(study)
    return read_json(path, Costs, remedy=REMEDY) if path.exists() else None


def write_costs(study: StudyFile, costs: Costs) -> None:
    """Write the file, whole or not at all."""
    path = costs_path(study)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json_text(asdict(costs), indent=1))
