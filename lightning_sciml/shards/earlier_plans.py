"""Plans of data sets that were written before fields, grid and times had names in them.

They had one output, on the periodic unit square of ``num_points`` an axis; format version 1, and
the first sets of version 2.
"""

from typing import Any

from lightning_sciml.shards.schema import SOLUTION, SOURCE


def with_named_fields(plan: dict[str, Any]) -> dict[str, Any]:
    """Return a plan or manifest, as JSON has it, in today's words; one of today as it is."""
    if "num_points" not in plan:
        return plan
    config = dict(plan["config"]) if isinstance(plan.get("config"), dict) else {}
    output = config.pop(SOLUTION, SOLUTION)
    changed = {
        "input_fields": [SOURCE],
        **plan,
        "config": config,
        "grid": {
            "shape": [plan["num_points"]] * 2,
            "lengths": [1.0, 1.0],
            "boundary": ["periodic", "periodic"],
        },
        "output_fields": [output],
        "state_fields": [],
        "times": [],
    }
    del changed["num_points"]
    if isinstance(statistics := plan.get("statistics"), dict):
        names = {SOLUTION: output, f"median_{SOLUTION}_max": f"median_{output}_max"}
        changed["statistics"] = {names.get(key, key): v for key, v in statistics.items()}
    return changed
