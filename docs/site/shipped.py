"""Show the configs that come with sciml: ```{configs} pretrain```."""

from pathlib import Path

from docutils import nodes
from inline import spans
from noted import add_describing, note
from sphinx.application import Sphinx
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


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    folders = {name.partition("/")[0] for name in shipped_configs()}
    add_describing(app, "configs", Configs, folders)
    return {"parallel_read_safe": True}
