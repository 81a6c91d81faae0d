"""Settings of the site; `make docs` builds it."""

import os
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "site"))

project = "lightning_sciml"
author = "The lightning_sciml contributors"
release = version = installed_version("lightning_sciml")
language = "en"
smartquotes = False  # commands and code are full of quotes

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "pages",
    "commands",
    "shipped",
    "docstrings",
    "accessible",
    "links",
]
exclude_patterns = ["site", "figures", "**/.ipynb_checkpoints"]
nitpicky = False
highlight_language = "text"
default_role = "literal"  # docstrings name things in single backticks

myst_heading_anchors = 4
myst_links_external_new_tab = False

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
napoleon_use_param = True

html_theme = "furo"
html_title = f"lightning_sciml {release}"
html_static_path = ["site/static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": False}
if repository := os.environ.get("SITE_REPOSITORY"):  # the publishing workflow knows it
    html_theme_options |= {
        "source_repository": repository,
        "source_branch": "main",
        "source_directory": "docs/",
    }
