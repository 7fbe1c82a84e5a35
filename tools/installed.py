"""Imported by every tool before anything of mmdownsize: says in one line what to do where it is not installed."""

import sys
from importlib.util import find_spec

if find_spec('mmdownsize') is None:
    sys.exit('mmdownsize is not installed here: `make setup` and .venv/bin/python, or `pip install -e .`, in the clone')
