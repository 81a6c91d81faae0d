"""Notice a data set under the name of one that comes with sciml, which is drawn in another way."""

from collections.abc import Callable

from jsonargparse import Namespace

from data_gen.chosen_class import plain
from lightning_sciml.shipped_configs import CONFIG_FLAG, shipped_configs

_DRAWN = ("coefficients", "diffusivity", "initial_state", "source", "boundary")
_RESOLUTION = "num_modes"  # the same draws on another grid


def borrowed_name(options: Namespace, parse: Callable[[list[str]], Namespace]) -> str | None:
    """Say which options make another data set than the shipped one of this name; None if none do.

    Args:
        options: as parsed.
        parse: parses the words of a command line, without making anything of them.
    """
    name = f"data/{options.name}"
    file = shipped_configs().get(name)
    if file is None:
        return None
    shipped, own = _drawn(parse([f"{CONFIG_FLAG}={file}", f"--output={name}"])), _drawn(options)
    differing = [key for key in {**shipped, **own} if shipped.get(key) != own.get(key)]
    if not differing:
        return None
    return (
        f"{options.name} is the name of a set that comes with sciml, from which "
        f"{', '.join(differing)} differs; give this one a --name of its own, or reports and "
        "studies take the two for one"
    )


def _drawn(options: Namespace) -> dict[str, object]:
    """List what decides the samples, by option."""
    return {
        key.replace(".init_args", ""): plain(value)
        for key, value in options.items()
        if key.partition(".")[0] in _DRAWN and not key.endswith(_RESOLUTION)
    }
