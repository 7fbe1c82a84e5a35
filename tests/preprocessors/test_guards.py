"""What may not hold a preprocessor with a downsizer says so when it takes hold of it."""

import subprocess
import sys
import types
from contextlib import contextmanager

import pytest
import torch
import torch.distributed as dist
from mmdet.models.data_preprocessors import MultiBranchDataPreprocessor
from mmdet.models.detectors import BoxInst, SoftTeacher
from mmdet.models.mot import ByteTrack
from mmengine.model import BaseModel, MMDistributedDataParallel, MMFullyShardedDataParallel, convert_sync_batchnorm
from mmengine.model import MMSeparateDistributedDataParallel as SeparateDDP
from mmengine.runner.activation_checkpointing import turn_on_activation_checkpointing
from torch import nn

from mmdownsize.preprocessors.det import DetDownsizePreprocessor, MultiBranchDownsizePreprocessor
from mmdownsize.refusal import Refusal
from mmdownsize.resizers import DownsizeNet
from tests.preprocessors.batches import det_preprocessor, det_sample, random_image, seg_preprocessor, seg_sample

LEARNED, FIXED = dict(type='DownsizeNet'), dict(type='FixedResizer')
INNER = dict(type='mmdownsize.DetDownsizePreprocessor', scale_factor=0.5)


class Model(BaseModel):
    def __init__(self, preprocessor):
        super().__init__(preprocessor)
        self.layer = nn.Conv2d(3, 1, 1)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return dict(loss=self.layer(inputs).square().mean())


class Sharded(MMFullyShardedDataParallel):
    """As FSDP takes hold of a model; its constructor needs GPUs."""

    def __init__(self, module):
        nn.Module.__init__(self)
        self._fsdp_wrapped_module = module


@contextmanager
def one_process(tmp_path):
    dist.init_process_group('gloo', init_method=f'file://{tmp_path}/rendezvous', rank=0, world_size=1)
    try:
        yield
    finally:
        dist.destroy_process_group()


@pytest.mark.parametrize('build', [det_preprocessor, seg_preprocessor])
@pytest.mark.parametrize(
    ('wrapper', 'message'),
    [
        (
            Sharded,
            r'FullyShardedDataParallel cannot hold \w+DownsizePreprocessor: .* train with MMDistributedDataParallel',
        ),
        (SeparateDDP, r'MMSeparateDistributedDataParallel cannot hold \w+DownsizePreprocessor: .* wrapped heads'),
    ],
)
def test_wrappers_that_would_leave_it_behind(build, wrapper, message):
    with pytest.raises(ValueError, match=message):
        wrapper(Model(build(downsizer=LEARNED)))


def test_distributed_data_parallel_may_hold_it(tmp_path):
    with one_process(tmp_path):
        model = MMDistributedDataParallel(Model(det_preprocessor(downsizer=LEARNED)))
    assert isinstance(model.module.data_preprocessor.downsizer, DownsizeNet)


def test_without_parameters_there_is_nothing_to_leave_behind(tmp_path):
    Sharded(Model(det_preprocessor(downsizer=FIXED)))
    with one_process(tmp_path):
        SeparateDDP(Model(det_preprocessor(downsizer=FIXED)))
    MultiBranchDataPreprocessor(dict(INNER, downsizer=FIXED))


def deepspeed_that_is(initialized):
    comm = types.SimpleNamespace(is_initialized=lambda: initialized)
    return types.SimpleNamespace(comm=comm)


def test_deepspeed_is_refused_where_it_runs(monkeypatch):
    monkeypatch.setitem(sys.modules, 'deepspeed', deepspeed_that_is(False))
    det_preprocessor(downsizer=LEARNED)
    monkeypatch.setitem(sys.modules, 'deepspeed', deepspeed_that_is(True))
    det_preprocessor(downsizer=FIXED)
    with pytest.raises(ValueError, match=r'DeepSpeed cannot train a downsizer: .* MMDistributedDataParallel'):
        det_preprocessor(downsizer=LEARNED)


def test_the_multi_branch_preprocessor_that_hands_nothing_on():
    with pytest.raises(ValueError, match=r"does not hand on init_weights.*say type='mmdownsize.MultiBranchDownsizePre"):
        MultiBranchDataPreprocessor(dict(INNER, downsizer=LEARNED))


def test_ours_takes_only_ours():
    assert isinstance(
        MultiBranchDownsizePreprocessor(dict(INNER, downsizer=LEARNED)).data_preprocessor.downsizer, DownsizeNet
    )
    with pytest.raises(ValueError, match=r'must be a mmdownsize.DetDownsizePreprocessor, got DetDataPreprocessor'):
        MultiBranchDownsizePreprocessor(dict(type='mmdet.DetDataPreprocessor'))


def bare(kind):
    """A model of a class, without what its constructor builds."""
    model = kind.__new__(kind)
    nn.Module.__init__(model)
    return model


@pytest.mark.parametrize('downsizer', [LEARNED, FIXED])
@pytest.mark.parametrize(
    ('kind', 'attribute', 'message'),
    [
        (SoftTeacher, 'student', 'SemiBaseDetector cannot hold DetDownsizePreprocessor: .* are never called'),
        (SoftTeacher, 'teacher', 'SemiBaseDetector cannot hold DetDownsizePreprocessor: .* are never called'),
        (ByteTrack, 'data_preprocessor', 'BaseMOTModel cannot hold DetDownsizePreprocessor: video models'),
        (ByteTrack, 'detector', 'BaseMOTModel cannot hold DetDownsizePreprocessor: video models'),
        (
            BoxInst,
            'data_preprocessor',
            'BoxInst cannot hold DetDownsizePreprocessor: it wants a BoxInstDataPreprocessor',
        ),
    ],
)
def test_models_that_would_not_call_it_or_want_another(kind, attribute, message, downsizer):
    preprocessor = det_preprocessor(downsizer=downsizer)
    held = preprocessor if attribute == 'data_preprocessor' else Model(preprocessor)
    with pytest.raises(ValueError, match=message):
        setattr(bare(kind), attribute, held)


def test_models_may_hold_everything_else():
    for kind, attribute in ((SoftTeacher, 'student'), (ByteTrack, 'detector'), (BoxInst, 'data_preprocessor')):
        setattr(bare(kind), attribute, nn.Conv2d(3, 3, 1))
    bare(SoftTeacher).data_preprocessor = MultiBranchDownsizePreprocessor(dict(INNER, downsizer=LEARNED))


@pytest.mark.parametrize(
    ('argument', 'message'),
    [
        (
            dict(data_preprocessor=dict(type='DetDataPreprocessor')),
            'data_preprocessor is an argument of MultiBranchData',
        ),
        (dict(use_det_processor=True), 'use_det_processor is an argument of TrackDataPreprocessor'),
        (dict(mask_stride=4), 'mask_stride is an argument of BoxInstDataPreprocessor'),
        (dict(bottom_pixels_removed=10), 'bottom_pixels_removed is an argument of BoxInstDataPreprocessor'),
    ],
)
def test_arguments_that_a_changed_type_leaves_behind(argument, message):
    with pytest.raises(ValueError, match=message):
        det_preprocessor(**argument)


@pytest.mark.parametrize('name', ['data_preprocessor', 'data_preprocessor.downsizer'])
@pytest.mark.parametrize(('build', 'sample'), [(det_preprocessor, det_sample), (seg_preprocessor, seg_sample)])
def test_activation_checkpointing_of_the_downsizer(build, sample, name):
    model = Model(build(downsizer=LEARNED))
    turn_on_activation_checkpointing(model, name)
    data = dict(inputs=[random_image()], data_samples=[sample()])
    with pytest.raises(ValueError, match=r'its output carries no gradient.*activation_checkpointing'):
        model.data_preprocessor(data, True)
    model.data_preprocessor(data, False)
    model.requires_grad_(False)
    model.data_preprocessor(data, True)


def test_training_data_may_be_looked_at_without_gradients():
    with torch.no_grad():
        det_preprocessor(downsizer=LEARNED)(dict(inputs=[random_image()], data_samples=[det_sample()]), True)


def test_synchronised_statistics_want_one_size_a_batch():
    model = convert_sync_batchnorm(Model(det_preprocessor(downsizer=dict(type='LearnedResizer'))))
    sizes = [(37, 53), (37, 53), (30, 53)]
    data = dict(inputs=[random_image(hw) for hw in sizes], data_samples=[det_sample(hw) for hw in sizes])
    with pytest.raises(ValueError, match=r'SyncBatchNorm in the downsizer: this batch has images of 2 sizes'):
        model.data_preprocessor(data, True)
    assert len(model.eval().data_preprocessor(data, False)['inputs']) == 3


class Detached(DetDownsizePreprocessor):
    """Somebody's own, whose last step loses the gradient."""

    def hand_on(self, data, target, training):
        with torch.no_grad():
            return super().hand_on(data, target, training)


@pytest.mark.parametrize('sizes', [[(37, 53)] * 2, [(37, 53), (30, 53)]])
def test_a_gradient_that_is_lost_after_the_downsizer_is_seen_as_well(sizes):
    preprocessor = Detached(downsizer=LEARNED, scale_factor=0.5)
    data = dict(inputs=[random_image(hw) for hw in sizes], data_samples=[det_sample(hw) for hw in sizes])
    with pytest.raises(Refusal, match='its output carries no gradient'):
        preprocessor(data, True)
    preprocessor(data, False)
    with torch.no_grad():
        preprocessor(data, True)


def test_holders_are_watched_once_and_from_the_first_preprocessor_that_is_built():
    code = (
        'from torch.nn.modules.module import _global_module_registration_hooks as hooks\n'
        'import mmdownsize.preprocessors.det\n'
        'from mmdownsize.registry import MODELS\n'
        'seen = [len(hooks)]\n'
        "for kind in ('FixedResizer', 'DownsizeNet', 'DownsizeNet'):\n"
        "    MODELS.build(dict(type='DetDownsizePreprocessor', downsizer=dict(type=kind), scale_factor=0.5))\n"
        '    seen.append(len(hooks) - seen[0])\n'
        'print(*seen)'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert done.stdout.split()[1:] == ['2', '2', '2'], done.stderr  # that of guards.py and that of places.py
