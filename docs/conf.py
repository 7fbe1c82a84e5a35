"""Sphinx configuration."""

from mmdownsize.version import __version__

project = 'mmdownsize'
version = release = __version__
extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon']
exclude_patterns = ['_build']
html_theme = 'furo'
