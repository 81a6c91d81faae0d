"""Show the configs that come with sciml: ```{configs} pretrain```."""

from functools import partial
from pathlib import Path

from docutils import nodes
from inline import spans
from noted import note, noted, outdated
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from lightning_sciml.shipped_configs import shipped_configs


class Configs(SphinxDirective):
    """A section for each config of a folder: its name, its first line, its text."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Build the sections."""
        folder = self.arguments[0]
        note(self.env, "configs", folder)
        return [
            self._section(name, file)
            for name, file in shipped_configs().items()
            if name.startswith(f"{folder}/")
        ]

    def _section(self, name: str, file: Path) -> nodes.section:
        first, _, text = file.read_text().strip("\n").partition("\n")
        section = nodes.section(ids=[nodes.make_id(name)], names=[name])
        section += nodes.title("", name)
        section += nodes.paragraph("", "", *spans(first.removeprefix("#").strip()))
        section += nodes.literal_block(text, text, language="yaml")
        self.state.document.note_implicit_target(section, section)
        return section


def _missing(app: Sphinx, env: BuildEnvironment) -> list[str]:
    folders = {name.partition("/")[0] for name in shipped_configs()}
    for folder in sorted(folders - noted(env, "configs")):
        logging.getLogger(__name__).warning(
            "the configs %s/* are shown by no page; write ```{configs} %s``` in one", folder, folder
        )
    return []


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.add_directive("configs", Configs)
    app.connect("env-get-outdated", partial(outdated, "configs"))
    app.connect("env-updated", _missing)
    return {"parallel_read_safe": True}
