"""Take the downsizer out of a checkpoint, as a small file that any config can name.

python tools/extract_downsizer.py CHECKPOINT OUT.safetensors [--scale-factor LOWEST [HIGHEST]] [--note KEY=TEXT ...] [...]

A config then names it with ``downsizer=dict(type='DownsizeNet', pretrained='OUT.safetensors')``, or with the type that it has,
and with ``frozen=True`` if training must not change it. The constructor's arguments come from the config that mmengine keeps in
its checkpoints, or from --config.
"""

from __future__ import annotations

from collections.abc import Sequence

import installed  # noqa: F401  (says what to do without the package)

from mmdownsize.cli.main import run_command


def main(argv: Sequence[str] | None = None) -> None:
    """Write the file."""
    run_command('extract', argv)


if __name__ == '__main__':
    main()
