"""The images of the small training."""

from tests.tools.conftest import data  # noqa: F401
