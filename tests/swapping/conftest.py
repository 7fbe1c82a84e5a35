"""What the tests of swaps share."""

from tests.tools.conftest import data  # noqa: F401  (a fixture)
