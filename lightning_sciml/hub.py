"""Model repositories of the Hugging Face hub, which have the layout of a released operator."""

import re
from pathlib import Path
from typing import Any

from lightning_sciml.errors import InputError
from lightning_sciml.extras import require

CONFIG, WEIGHTS, CARD = FILES = ("config.json", "model.safetensors", "README.md")
"""Files of a released operator, and of a model repository."""
PREFIX = "hf://"
_ADDRESS = re.compile(r"hf:/{1,2}([\w.-]+/[\w.-]+?)(?:@([\w./-]+))?/?")  # a Path has one slash


def hub_address(word: str) -> tuple[str, str | None] | None:
    """Split hf://OWNER/NAME[@REVISION] into repository and revision; None for other words."""
    match = _ADDRESS.fullmatch(word)
    return (match[1], match[2]) if match else None


def pull(repository: str, *, revision: str | None = None, folder: Path | None = None) -> Path:
    """Download an operator, unless it is in the cache of the hub already; return its folder.

    Args:
        repository: OWNER/NAME.
        revision: branch, tag or commit; main by default.
        folder: where the files go; the cache of the hub by default.

    Raises:
        InputError: no such repository, no network, or no operator in it.
    """
    hub = _hub()
    try:
        found = hub.snapshot_download(
            repository, revision=revision, allow_patterns=list(FILES), local_dir=folder
        )
    except Exception as error:  # of the hub, of its network, of the cache: a dozen kinds
        raise InputError(
            f"{PREFIX}{repository} cannot be loaded: {_first_line(error)}; name a model "
            "repository that exists, and log in with `hf auth login` if it is private"
        ) from error
    path = Path(found)
    if missing := [name for name in (CONFIG, WEIGHTS) if not (path / name).is_file()]:
        raise InputError(
            f"{PREFIX}{repository} has no {missing[0]}, wanted a repository written by "
            "`sciml models push`"
        )
    return path


def push(folder: Path, repository: str, *, private: bool = False) -> str:
    """Upload an operator to a model repository, which is made if there is none; return its address.

    Raises:
        InputError: the folder holds no operator, or the hub rejects it.
    """
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise InputError(
            f"{folder} has no {missing[0]}, wanted {', '.join(FILES)}; make such a folder with "
            "`sciml models release`"
        )
    api = _hub().HfApi()
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        uploaded = api.upload_folder(
            folder_path=folder, repo_id=repository, allow_patterns=list(FILES)
        )
    except Exception as error:
        raise InputError(
            f"{folder} cannot be uploaded to {repository}: {_first_line(error)}; log in with "
            "`hf auth login`, as one who may write there"
        ) from error
    return str(uploaded)


def _hub() -> Any:
    require("the Hugging Face hub", ["huggingface_hub"], extra="hub")
    import huggingface_hub

    return huggingface_hub


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
