"""Sphinx configuration."""

from mmdownsize.version import __version__

project = 'mmdownsize'
version = release = __version__
extensions = ['myst_nb', 'sphinx.ext.autodoc', 'sphinx.ext.autosummary', 'sphinx.ext.napoleon']
exclude_patterns = ['_build']
html_theme = 'furo'
html_copy_source = False
nb_execution_mode = 'off'  # the tutorial keeps its outputs; tests/docs/test_tutorial.py executes it
myst_heading_anchors = 3
autosummary_generate = False  # the summaries link to what stands on the same page
autodoc_mock_imports = ['mmpretrain']  # it imports torchvision, which need not be there
autodoc_typehints = 'description'
autodoc_member_order = 'bysource'
autodoc_preserve_defaults = True  # an object's address, or a path of this machine, is not a default
