"""Find in YAML what its reader takes in silence or never finishes reading."""

import yaml

from lightning_sciml.errors import InputError

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_DEPTH = 100
_MAX_VALUES = 1_000_000  # after anchors are expanded
_MAX_DIGITS = 300  # more than the largest float has


def reject_ambiguous_yaml(source: str) -> None:
    """Check the text of a configuration.

    Raises:
        InputError: a key that stands twice in one mapping, of which the reader takes the last;
            values nested or multiplied by anchors without bound; a number of too many digits.
    """
    try:
        root = yaml.compose(source, Loader=_LOADER)
    except yaml.YAMLError:
        return  # the reader says what is wrong
    if root is not None:
        _count(root, {}, 0)


def _count(node: yaml.Node, counted: dict[int, int], depth: int) -> int:
    """Return how many values a node stands for; ``counted`` has those of finished nodes."""
    if id(node) in counted:
        return counted[id(node)]
    where = f"line {node.start_mark.line + 1}"
    if depth > _MAX_DEPTH:
        raise InputError(f"{where}: values are nested more than {_MAX_DEPTH} deep")
    if isinstance(node, yaml.ScalarNode):
        _reject_long_number(node, where)
        children = []
    elif isinstance(node, yaml.MappingNode):
        _reject_repeated_keys(node)
        children = [value for _, value in node.value]
    else:
        children = node.value
    total = 1 + sum(_count(child, counted, depth + 1) for child in children)
    if total > _MAX_VALUES:
        raise InputError(f"{where}: anchors multiply to more than {_MAX_VALUES:,} values")
    counted[id(node)] = total
    return total


def _reject_repeated_keys(node: yaml.MappingNode) -> None:
    lines: dict[str, int] = {}  # of the keys so far
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if key.value in lines and isinstance(key, yaml.ScalarNode):
            raise InputError(
                f"{key.value} is given twice, in lines {lines[key.value]} and {line}; keep one"
            )
        lines[str(key.value)] = line


def _reject_long_number(node: yaml.ScalarNode, where: str) -> None:
    if node.tag.endswith((":int", ":float")) and len(node.value) > _MAX_DIGITS:
        raise InputError(f"{where}: a number has {len(node.value)} digits, wanted one in reach")
