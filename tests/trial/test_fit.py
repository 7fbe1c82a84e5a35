"""``mmdownsize fit``: what it tests, trains, says and keeps. The runs are those of the tools, in this process."""

import io
import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from PIL import Image
from rich.console import Console

pytest.importorskip('mmseg')

from mmdownsize.checkpoints import latest_checkpoint
from mmdownsize.cli.main import main
from mmdownsize.comparing import comparison
from mmdownsize.comparing.log import read_log
from mmdownsize.launching import testing, training
from mmdownsize.refusal import Refusal
from mmdownsize.trial import arms, run, timing
from mmdownsize.trial import verdict as verdicts
from mmdownsize.trial.arms import FITTED, FIXED, FULL
from mmdownsize.trial.run import Options, fit
from mmdownsize.trial.timing import Step, estimate, in_words
from mmdownsize.trial.verdict import table_of, verdict
from mmdownsize.trial.watch import Watch
from tests.tools.small_training import HW, write_training

STEPS = 16  # two updates, and two validations
PLAIN = """
_base_ = {base!r}
model = dict(data_preprocessor=dict(
    _delete_=True, type='SegDataPreProcessor', mean=[127.0] * 3, std=[128.0] * 3, size={hw}))
"""


@pytest.fixture
def finished(tmp_path: Path) -> tuple[str, str]:
    """A config without a downsizer and the checkpoint of its model."""
    base, data = write_training(tmp_path)
    (tmp_path / 'plain.py').write_text(PLAIN.format(base=str(base), hw=HW))
    init_default_scope('mmseg')
    torch.manual_seed(3)
    model = MODELS.build(Config.fromfile(tmp_path / 'plain.py').model)
    torch.nn.init.normal_(model.decode_head.conv_seg.weight)
    image = torch.from_numpy(np.array(Image.open(data / 'images/0.png'))).permute(2, 0, 1)
    logits = model.eval().test_step(dict(inputs=[image]))[0].seg_logits.data
    model.decode_head.conv_seg.bias.data -= logits.mean((1, 2))  # or one class would be everywhere
    torch.save(dict(state_dict=model.state_dict(), meta={}), tmp_path / 'model.pth')
    return str(tmp_path / 'plain.py'), str(tmp_path / 'model.pth')


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the runs, which begin at once and end the process's console."""
    names: list[str] = []

    def execute(
        cfg: Config, run_dir: Path, console: Console, label: str, train: bool, expected=None, others=(), watch=None
    ) -> float:
        names.append('timing' if run_dir.name == 'timing' else run_dir.parent.name)
        # Or two runs of one process, and in one second, are one to mmengine.
        cfg.experiment_name = f'{run_dir.parent.name}_{time.perf_counter_ns()}'
        cfg.visualizer.name = cfg.experiment_name
        run_dir.mkdir(parents=True, exist_ok=True)
        cfg.dump(run_dir / 'config.py')
        if train:
            training.train(training.Options(str(run_dir / 'config.py'), work_dir=str(run_dir), resume='auto'))
        else:
            testing.test(testing.Options(str(run_dir / 'config.py'), cfg.load_from, work_dir=str(run_dir)))
        if watch:
            watch(run_dir)
        return 1.0

    monkeypatch.setattr(comparison, 'execute', execute)
    monkeypatch.setattr(timing, 'execute', execute)
    monkeypatch.setattr(
        run, 'milliseconds', lambda cfg, arms, checkpoint: {arm.name: 10.0 * i for i, arm in enumerate(arms, 1)}
    )
    return names


def said_by(options: Options) -> str:
    out = io.StringIO()
    fit(options, Console(file=out, width=80))
    return out.getvalue()


def test_from_a_checkpoint_to_the_table_and_not_twice(
    finished: tuple[str, str], ran: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (arms, verdicts):
        monkeypatch.setattr(module, 'FIXED', ('bilinear', 'area'))  # which take some time each
    options = Options(*finished, scale_factor=0.5, steps=STEPS, out=tmp_path / 'fit')
    # Interrupted while it trains, after its first checkpoint.
    hook = training.PlainCheckpointHook

    class Interrupting(hook):  # type: ignore[misc, valid-type]
        def after_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
            if runner.iter == 12 and runner.max_iters == STEPS:
                raise KeyboardInterrupt

    monkeypatch.setattr(training, 'PlainCheckpointHook', Interrupting)
    with pytest.raises(Refusal, match='interrupted: the same command goes on where it was'):
        said_by(options)
    assert ran == ['timing', FULL, 'bilinear', 'area', FITTED]
    assert latest_checkpoint(next((tmp_path / 'fit/runs' / FITTED).iterdir())).endswith('iter_8.pth')
    monkeypatch.setattr(training, 'PlainCheckpointHook', hook)
    ran.clear()
    said = said_by(options)
    assert ran == [FITTED]
    assert re.search(r'about .*: 8 steps at .* s take .*, 1 validation of 6 images .*, 0 tests 0 s', said)
    cfg = Config.fromfile(tmp_path / 'fit/fit.py')
    assert cfg.train_cfg.max_iters == STEPS and cfg.load_from == finished[1]
    found = {entry['arm']: entry['metrics']['mIoU'] for entry in read_log([tmp_path / 'fit/runs/runs.jsonl'])}
    bilinear, area = (f'{found[name]:.2f}' for name in ('bilinear', 'area'))
    for step in (8, 16):
        pattern = rf'step {step} of 16: loss .*\(bilinear .*, area .*\), mIoU .* \(bilinear {bilinear}, area {area}\)'
        assert len(re.findall(pattern, said)) == 1
    best = max('bilinear', 'area', key=lambda name: found[name])
    rows = {line.split('│')[1].strip(): line for line in said.splitlines() if line.startswith('│')}
    assert (
        f'{found[FITTED]:.2f}' in rows['fitted: downsizenet_6x6_signed']
        and '40.0' in rows['fitted: downsizenet_6x6_signed']
    )
    assert f'{found[best]:.2f}' in rows[f'{best}, the best fixed kernel'] and FULL in rows
    assert max(map(len, [line for line in said.splitlines() if line.startswith('│')])) <= 80
    # At full resolution it is the model itself.
    own = testing.test(testing.Options(finished[0], finished[1], work_dir=str(tmp_path / 'own')))
    assert found[FULL] == pytest.approx(own['mIoU'], abs=1e-9) != found['bilinear']
    # Again: nothing is run.
    ran.clear()
    again = said_by(options)
    assert ran == [] and 'this fit is finished' in again and rows[FULL] in again and 'step 8' not in again
    with pytest.raises(Refusal, match=r'fit\.py is another fit: name another folder with --out'):
        said_by(Options(*finished, scale_factor=0.25, steps=STEPS, out=tmp_path / 'fit'))
    assert ran == []


def test_what_cannot_be_fitted_is_said_and_nothing_is_written(
    finished: tuple[str, str], ran: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, checkpoint = finished
    out = tmp_path / 'fit'
    (tmp_path / 'without.py').write_text(f'_base_ = {config!r}\nval_dataloader = val_evaluator = val_cfg = None\n')
    (tmp_path / 'gone.py').write_text(
        f"_base_ = {config!r}\nval_dataloader = dict(dataset=dict(data_prefix=dict(img_path='gone')))\n"
    )
    torch.save(dict(state_dict={'backbone.x': torch.zeros(1)}, meta={}), tmp_path / 'other.pth')
    monkeypatch.undo()  # the time of a prediction is measured with the checkpoint
    for options, message in [
        (Options(config, 'gone.pth', out=out), r'no such checkpoint: gone\.pth'),
        (
            Options(config, str(tmp_path / 'other.pth'), out=out),
            r"other\.pth does not fit the config's model: .* weights",
        ),
        (Options(config, checkpoint, steps=0, out=out), r'--steps must be a whole number, at least 1, got 0'),
        (Options(config, checkpoint, resizer='bilinear', out=out), r'FixedResizer has nothing to train'),
        (Options(config, checkpoint, resizer='aera', out=out), r"'aera'"),
        (Options(config, checkpoint, scale_factor=-1.0, out=out), r'-1\.0'),
        (Options(config, checkpoint, keep_ratio=True, out=out), '--keep-ratio goes with --scale W H'),
        (Options(str(tmp_path / 'without.py'), checkpoint, out=out), r'--fit: val_dataloader\.dataset\.pipeline'),
    ]:
        with pytest.raises(Refusal, match=message):
            said_by(options)
    with pytest.raises(OSError, match='gone'):
        said_by(Options(str(tmp_path / 'gone.py'), checkpoint, out=out))
    assert not out.exists()


def test_a_verdict_says_what_to_do() -> None:
    found = {FULL: 50.0, FITTED: 42.0, **dict.fromkeys(FIXED, 40.0), 'bicubic': 41.0}
    swap = Options('c.py', 'm.pth', scale=(80, 60), keep_ratio=True).swap
    assert swap == 'mmdownsize swap c.py --scale 80 60 --keep-ratio --out swapped.py --resizer'
    assert verdict(found, 'mIoU', swap) == (
        'The fitted downsizer is better than bicubic, the best fixed kernel, by 1.00 mIoU.'
    )
    assert 'Less than 0.6 may be chance' in verdict({**found, FITTED: 41.2}, 'mIoU', swap)
    worse = verdict({**found, FITTED: 41.0}, 'mIoU', swap)
    assert 'is not better than bicubic, the best fixed kernel: 41.00 against 41.00 mIoU' in worse
    assert f'{swap} bicubic\n' in worse and worse.endswith(f'{swap} importance_lanczos')
    table = table_of(found, dict.fromkeys(found, 3.0), 'mIoU', 'net')
    assert [*table.columns[0].cells] == [FULL, 'bilinear', 'area', 'bicubic, the best fixed kernel', 'fitted: net']
    table = table_of({**found, 'area': 41.5}, dict.fromkeys(found, 3.0), 'mIoU', 'net')
    assert [*table.columns[0].cells] == [FULL, 'bilinear', 'area, the best fixed kernel', 'fitted: net']


def test_how_long_it_takes_in_words() -> None:
    assert [in_words(seconds) for seconds in (3.2, 99, 100, 5940, 6000, 7260)] == [
        '3 s', '99 s', '2 min', '99 min', '1 h 40 min', '2 h 01 min'
    ]  # fmt: skip
    step, times = Step(seconds=0.5, start=10.0), dict(a=1000.0, b=500.0)
    assert estimate(step, 100, 4, 20, times, ['a'], 'b') == (
        'about 2 min: 100 steps at 0.5 s take 60 s, 4 validations of 20 images 40 s, 1 test 30 s'
    )


def test_a_detectors_loss_is_shown_beside_what_was_measured_before(tmp_path: Path) -> None:
    lines = [
        dict(loss=2.0, step=10, time=3.0),
        {'coco/bbox_mAP': 0.25, 'step': 10},
        dict(loss=1.5, step=20, time=3.0),
    ]
    (tmp_path / '20260101').mkdir()
    (tmp_path / '20260101/20260101.json').write_text('')
    (tmp_path / 'x/vis_data').mkdir(parents=True)
    log = tmp_path / 'x/vis_data/scalars.json'
    out = io.StringIO()
    watch = Watch(
        Console(file=out, width=80), 30, 'coco/bbox_mAP', dict(bilinear=20.0, area=21.0), dict(bilinear=1.8, area=1.7)
    )
    log.write_text('')
    assert watch(tmp_path) == 'the training starts'
    log.write_text('\n'.join(map(json.dumps, lines)))
    for _ in range(2):  # a validation is printed once
        assert watch(tmp_path) == 'step 20 of 30, loss 1.5 (bilinear 1.8, area 1.7)'
    assert out.getvalue() == (
        'step 10 of 30: loss 2 (bilinear 1.8, area 1.7), coco/bbox_mAP 25.00 (bilinear 20.00, area 21.00)\n'
    )


def test_the_subcommand_ends_in_one_line(finished: tuple[str, str]) -> None:
    with pytest.raises(SystemExit, match=r'^no such checkpoint: gone\.pth$'):
        main(['fit', finished[0], 'gone.pth', '--scale', '16', '12'])
