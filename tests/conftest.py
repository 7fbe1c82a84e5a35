"""Settings that all tests share."""

import os
from collections.abc import Generator, Iterator
from importlib.util import find_spec

import pytest
import torch
from hypothesis import HealthCheck, settings
from mmengine.registry import DefaultScope

# The same examples in every run, and no time limit: machines differ.
settings.register_profile(
    'stable', deadline=None, derandomize=True, max_examples=100, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile('thorough', parent=settings.get_profile('stable'), derandomize=False, max_examples=1000)
settings.register_profile('nightly', parent=settings.get_profile('stable'), derandomize=False, max_examples=10_000)
settings.load_profile(os.environ.get('HYPOTHESIS_PROFILE', 'stable'))

if 'PYTEST_XDIST_WORKER_COUNT' in os.environ:  # pytest -n: the processes share the cores
    _threads = max(1, torch.get_num_threads() // int(os.environ['PYTEST_XDIST_WORKER_COUNT']))
    torch.set_num_threads(_threads)
    os.environ.setdefault('OMP_NUM_THREADS', str(_threads))  # and so do the trainings that tests start

# mmdownsize works with either of them (`make test STACK=det`, `STACK=seg`): what needs the other is skipped, with its name.
# That nothing needs the other without cause is for test_imports.py and preprocessors/test_registry.py to say.
ABSENT = [package for package in ('mmdet', 'mmseg') if find_spec(package) is None]


def _skip_if_absent(report: pytest.TestReport | pytest.CollectReport, error: BaseException | None, path: str) -> None:
    while error is not None:
        package = (getattr(error, 'name', None) or '').split('.')[0] if isinstance(error, ImportError) else None
        if package in ABSENT:
            report.outcome, report.longrepr = 'skipped', (path, 0, f'Skipped: {package} is not installed')
            return
        error = error.__cause__


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.failed and report.call.excinfo is not None:
        _skip_if_absent(report, report.call.excinfo.value, str(collector.path))
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and call.excinfo is not None:
        _skip_if_absent(report, call.excinfo.value, str(item.path))
    return report


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope='module')
def _no_scope_of_another_file() -> None:
    """Names are looked up where a file of tests says, and not in the scope that one before it has left behind."""
    DefaultScope._instance_dict.clear()


@pytest.fixture(scope='module')
def single_thread() -> Iterator[None]:
    """Waking threads for a few hundred numbers takes far longer than the numbers."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
