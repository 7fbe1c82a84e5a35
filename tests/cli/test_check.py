"""`mmdownsize check`: a config that has a downsizer already."""

import pytest
from mmengine.logging import MMLogger

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

from mmdownsize.cli.main import main
from tests.integration.test_semi_supervised import swapped_config
from tests.tools.small_training import write_training


@pytest.mark.parametrize('log', [False, True])
def test_two_lines_say_that_it_works_and_the_log_is_there_when_asked_for(log, tmp_path, capfd):
    config, _ = write_training(tmp_path)
    main(['check', str(config), *(['--log'] if log else [])])
    trained, tested = capfd.readouterr().out.splitlines()[-2:]
    assert trained.startswith('works in training: ') and 'losses and gradients: ' in trained
    assert tested.startswith('works at test time: ') and 'a prediction: ' in tested
    level = MMLogger.get_current_instance().level
    main(['check', str(config)])
    said = capfd.readouterr()
    assert said.out.splitlines() == [trained, tested] and said.err == ''
    assert MMLogger.get_current_instance().level == level


def test_a_setting_counts(tmp_path, capsys):
    config, _ = write_training(tmp_path)
    found = []
    for factor in (0.5, 0.25):
        main(['check', str(config), '--cfg-options', f'model.data_preprocessor.scale_factor={factor}'])
        found.append(capsys.readouterr().out)
    assert found[0] != found[1] and all('works at test time' in said for said in found)


def test_what_cannot_be_checked_is_one_line(tmp_path):
    config, _ = write_training(tmp_path)
    (tmp_path / 'plain.py').write_text(
        "default_scope = 'mmseg'\nmodel = dict(data_preprocessor=dict(type='SegDataPreProcessor'))\n"
    )
    swapped_config(tmp_path).dump(tmp_path / 'nested.py')
    scope = ['--cfg-options', 'default_scope=mmpretrain']
    broken = ['--cfg-options', 'model.decode_head.in_channels=5']
    for argv, message in [
        (['nowhere.py'], r'no such config: nowhere\.py'),
        (
            [tmp_path / 'plain.py'],
            r'plain\.py has no downsizer to check: mmdownsize swap .*plain\.py --check puts one in',
        ),
        (
            ['mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py'],
            'has no downsizer to check: mmdownsize swap mmseg::fcn',
        ),
        (
            [tmp_path / 'nested.py'],
            'has its downsizer at model.data_preprocessor.data_preprocessor.*check the plain model',
        ),
        ([config, *scope], "default_scope='mmpretrain', and batches are made up for mmdet and mmseg"),
        ([config, *broken], 'config.py does not work: '),
    ]:
        with pytest.raises(SystemExit, match=message) as stopped:
            main(['check', *map(str, argv)])
        assert '\n' not in stopped.value.code
