"""Remember what pages describe that is not written in them: they are read anew in every build."""

from typing import Any

from sphinx.environment import BuildEnvironment


def note(env: BuildEnvironment, kind: str, name: str) -> None:
    """Note that the page being read describes something."""
    data = env.metadata[env.docname]
    data[kind] = f"{data.get(kind, '')} {name}"


def noted(env: BuildEnvironment, kind: str) -> set[str]:
    """Return what pages describe."""
    return {name for data in env.metadata.values() for name in data.get(kind, "").split()}


def outdated(kind: str, _: Any, env: BuildEnvironment, *__: Any) -> list[str]:
    """Return the pages that describe something."""
    return [page for page, data in env.metadata.items() if kind in data]
