"""Configs on real data, as in tests/configs."""

from tests.configs.conftest import _quiet_initialisation, real  # noqa: F401
