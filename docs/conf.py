"""Sphinx configuration."""

import stromal

project = "stromal"
author = "the stromal authors"
copyright = "2026, the stromal authors"  # noqa: A001
version = release = stromal.__version__
extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
]
intersphinx_mapping = {}
html_theme = "furo"
html_title = "stromal"
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
autosummary_generate = True
numpydoc_show_class_members = False
autodoc_typehints = "none"
nitpicky = False
suppress_warnings = ["myst.header"]
