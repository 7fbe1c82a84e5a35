"""The catalogue of malformed input: every entry is refused by name, and what OpenMMLab lets pass goes through."""

import re

import pytest

from tests.bad_input import batches, checkpoints, command_lines, configs, images

KINDS = {
    'configs': configs,
    'batches': batches,
    'checkpoints': checkpoints,
    'command lines': command_lines,
    'images': images,
}
CASES = [(kind, case) for kind, table in KINDS.items() for case in table.CASES]
ACCEPTED = [(kind, case) for kind, table in KINDS.items() for case in table.ACCEPTED]


@pytest.fixture(scope='module', autouse=True)
def _one_thread(single_thread):
    pass


@pytest.mark.parametrize(('kind', 'case'), CASES, ids=[f'{kind}: {case.id}' for kind, case in CASES])
def test_it_is_refused_by_name_and_with_a_way_out(kind, case, tmp_path):
    with pytest.raises(case.error) as refused:
        case.use(tmp_path)
    message = str(refused.value)
    assert case.value in message, message
    assert re.search(case.way_out, message, re.DOTALL), message


@pytest.mark.parametrize(('kind', 'case'), ACCEPTED, ids=[f'{kind}: {case.id}' for kind, case in ACCEPTED])
def test_it_passes_as_it_does_without_a_downsizer(kind, case, tmp_path):
    case.check(tmp_path)


def test_the_catalogue_is_long_and_every_entry_names_a_value():
    assert len(CASES) >= 100
    for kind, table in KINDS.items():
        assert len(table.CASES) >= 15, kind
    names = [f'{kind}: {case.id}' for kind, case in CASES + ACCEPTED]
    assert len(set(names)) == len(names)
    for _, case in CASES:
        assert case.value.strip() and case.way_out.strip(), case.id
        # What is asked for beside the value is more than the value, and more than any message would have.
        assert len(case.way_out) >= 4 and not re.search(case.way_out, case.value), case.id
        assert not re.search(case.way_out, 'invalid value', re.DOTALL), case.id
