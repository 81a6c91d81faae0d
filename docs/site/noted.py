"""Remember what pages describe that is not written in them, and warn of what no page describes."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective


def note(env: BuildEnvironment, kind: str, name: str) -> None:
    """Note that the page being read describes something."""
    data = env.metadata[env.docname]
    data[kind] = f"{data.get(kind, '')} {name}"


def add_describing(
    app: Sphinx, kind: str, directive: type[SphinxDirective], wanted: Iterable[str]
) -> None:
    """Add a directive that describes something and notes it.

    Args:
        app: of Sphinx.
        kind: name of the directive, and of its notes. Pages with one are read anew in every build.
        directive: its class.
        wanted: what some page must describe; the others are warned of.
    """
    app.add_directive(kind, directive)
    app.connect("env-get-outdated", partial(_outdated, kind))
    app.connect("env-updated", partial(_warn_of_missing, kind, frozenset(wanted)))


def _outdated(kind: str, _: Any, env: BuildEnvironment, *__: Any) -> list[str]:
    return [page for page, data in env.metadata.items() if kind in data]


def _warn_of_missing(kind: str, wanted: frozenset[str], _: Any, env: BuildEnvironment) -> list[str]:
    noted = {name for data in env.metadata.values() for name in data.get(kind, "").split()}
    for name in sorted(wanted - noted):
        logging.getLogger(__name__).warning(
            "no page describes %s; write ```{%s} %s``` in one", name, kind, name
        )
    return []
