"""``python -m mmdownsize``: the same as the command ``mmdownsize``."""

from mmdownsize.cli.main import main

main()
