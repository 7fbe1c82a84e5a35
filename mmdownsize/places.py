"""Where the configs and the tools of the package are. Needs the standard library alone."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parent


def shipped(name: str) -> Path:
    """Return the path of a folder or file of ``configs/``, by its path below that folder.

    An installation has the configs in ``mmdownsize/.mim``. A clone that is only on the path has them beside the package.
    """
    return _folder('configs') / name


def fragments() -> dict[str, tuple[str, bool]]:
    """Return of each fragment in ``configs/_base_/downsize``, by its name, the line that says what it is, and if it is fixed."""
    texts = {path.stem: path.read_text(encoding='utf-8') for path in shipped('_base_/downsize').glob('*.py')}
    return {
        name: (texts[name].splitlines()[0].lstrip('# '), "type='FixedResizer'" in texts[name]) for name in sorted(texts)
    }


def tool(name: str) -> Path:
    """Return the path of a file of ``tools/``, which an installation has in ``mmdownsize/.mim`` too."""
    return _folder('tools') / name


def _folder(name: str) -> Path:
    installed = PACKAGE / '.mim' / name
    return installed if installed.is_dir() else PACKAGE.parent / name
