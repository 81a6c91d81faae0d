"""The operators that come with the package, and how a word names a checkpoint."""

from difflib import get_close_matches
from pathlib import Path

from lightning_sciml.errors import InputError
from lightning_sciml.hub import CONFIG, FILES, hub_address, pull

FOLDER = Path(__file__).parent / "releases"


def released_operators() -> dict[str, Path]:
    """List the folder of each operator by its name, such as steady-mixture-640K."""
    return {path.parent.name: path.parent for path in sorted(FOLDER.glob(f"*/{CONFIG}"))}


def checkpoint_path(word: str | Path) -> Path:
    """Find the file or folder that a word names as a checkpoint.

    Args:
        word: a path, which prevails; the name of a released operator; or hf://OWNER/NAME, a model
            repository of the Hugging Face hub.

    Raises:
        InputError: the word is no path and looks like a name, but no operator has it; or the
            repository cannot be loaded.
    """
    path, text = Path(word), str(word)
    if path.exists():
        return path
    if text in (released := released_operators()):
        return released[text]
    if address := hub_address(text):
        return pull(address[0], revision=address[1])
    if path.name == text and not path.suffix:
        close = get_close_matches(text, released, n=1)
        meant = f"did you mean {close[0]}? " if close else ""
        raise InputError(
            f"{text} is neither a file or folder here nor a released operator; {meant}"
            f"`sciml models list` shows {', '.join(released) or 'none yet'}"
        )
    return path


def release_folder(word: str | Path) -> Path:
    """Find the folder of a released operator, with its card, that a word names.

    Raises:
        InputError: nothing has this name, or it is not such a folder.
    """
    path = checkpoint_path(word)
    if missing := _missing(path):
        raise InputError(
            f"{word} must be a released operator, a folder with {', '.join(FILES)}; "
            f"{path} has no {missing[0]}; `sciml models list` shows the released ones, "
            "`sciml models release` makes one"
        )
    return path


def is_release(path: Path) -> bool:
    """Tell whether a path is the folder of a released operator, with its card."""
    return not _missing(path)


def _missing(folder: Path) -> list[str]:
    return [name for name in FILES if not (folder / name).is_file()]
