"""Plans and manifests as they were written before fields, grid and times had names in them."""

from typing import Any


def before_named_fields(plan: dict[str, Any]) -> dict[str, Any]:
    """Return the plan of a generated set, as JSON has it, in the words of before."""
    new = ("grid", "input_fields", "output_fields", "state_fields", "times")
    kept = {key: value for key, value in plan.items() if key not in new}
    return {**kept, "num_points": plan["grid"]["shape"][0]}
