"""Parts of a model trained, the rest left exactly as it was."""

import copy
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.model import BaseModel, MMDistributedDataParallel
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mmdownsize.fitting.train_only import TrainOnlyHook


class Net(BaseModel):
    """A backbone with everything that changes by itself in training mode, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
        self.head = nn.Linear(4, 1)
        self.modes: list[tuple[bool, bool]] = []

    def forward(self, inputs: Tensor, mode: str = 'tensor') -> dict[str, Tensor] | Tensor:
        self.modes.append((self.backbone[2].training, self.head.training))
        out = self.head(self.backbone(inputs))
        return {'loss': out.square().mean()} if mode == 'loss' else [out]


def runner(tmp_path: Path, parts: Sequence[str] | None) -> Runner:
    hook = dict(type='mmdownsize.TrainOnlyHook', **({} if parts is None else dict(parts=parts)))
    evaluator = Evaluator([])
    evaluator.process = evaluator.evaluate = lambda *args, **kwargs: {}
    loader = DataLoader([dict(inputs=sample) for sample in torch.randn(8, 3)], batch_size=4)
    return Runner(
        model=Net(),
        work_dir=str(tmp_path),
        train_dataloader=loader,
        val_dataloader=loader,
        train_cfg=dict(by_epoch=True, max_epochs=2),
        val_cfg=dict(),
        val_evaluator=evaluator,
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.1, weight_decay=0.1)),
        custom_hooks=[hook],
        log_level='ERROR',
        experiment_name=tmp_path.name,
    )


def test_only_the_named_part_moves_and_it_does_in_training_mode(tmp_path: Path) -> None:
    torch.manual_seed(0)
    running = runner(tmp_path, ['head'])
    before = copy.deepcopy(running.model.state_dict())
    running.train()
    after = running.model.state_dict()
    moved = {key for key in before if not torch.equal(before[key], after[key])}
    assert moved == {'head.weight', 'head.bias'}
    trained = [modes for modes in running.model.modes if modes != (False, False)]  # the rest are validations
    assert trained == [(False, True)] * 4


def test_a_part_may_be_deep_inside(tmp_path: Path) -> None:
    torch.manual_seed(0)
    running = runner(tmp_path, ['backbone.1'])
    before = copy.deepcopy(running.model.state_dict())
    running.train()
    moved = {key for key, value in running.model.state_dict().items() if not torch.equal(before[key], value)}
    assert moved == {
        f'backbone.1.{k}' for k in ('weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked')
    }


def test_an_unknown_part_is_named_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'no module neck in Net; it has data_preprocessor, backbone, head'):
        runner(tmp_path, ['neck', 'head']).train()


def test_nothing_to_train_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='nothing to train in data_preprocessor'):
        runner(tmp_path, None).train()  # the default, of a model without a downsizer


def test_a_distributed_wrapper_must_expect_missing_gradients() -> None:
    wrapper = object.__new__(MMDistributedDataParallel)
    nn.Module.__init__(wrapper)
    wrapper.module, wrapper.find_unused_parameters = Net(), False
    with pytest.raises(ValueError, match='find_unused_parameters=True'):
        TrainOnlyHook('head').before_train(SimpleNamespace(model=wrapper))
    wrapper.find_unused_parameters = True
    TrainOnlyHook('head').before_train(SimpleNamespace(model=wrapper))
    assert [name for name, p in wrapper.module.named_parameters() if p.requires_grad] == ['head.weight', 'head.bias']


def test_a_frozen_detector_has_the_loss_that_it_was_trained_with() -> None:
    """FCOS's boxes are multiples of the stride inside of training, and px outside: the loss in evaluation mode is another."""
    fcos = pytest.importorskip('mmdet.models.dense_heads.fcos_head')
    drop = pytest.importorskip('mmdet.models.layers.dropblock')
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = nn.Module()
    model.data_preprocessor = nn.Conv2d(3, 3, 1)
    model.neck = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.5), drop.DropBlock(0.5, 3))
    model.bbox_head = fcos.FCOSHead(
        num_classes=2, in_channels=3, feat_channels=4, stacked_convs=1, norm_on_bbox=True, norm_cfg=dict(type='BN')
    )
    features = [torch.randn(2, 3, size, size) for size in (16, 8, 4, 2, 1)]
    hook = TrainOnlyHook()
    hook.before_train(SimpleNamespace(model=model))
    model.train()
    hook.before_train_iter(SimpleNamespace(model=model), 0)
    frozen = {name for name, module in model.named_modules() if name and not module.training}
    norms = {name for name, m in model.named_modules() if isinstance(m, nn.BatchNorm2d | nn.Dropout | drop.DropBlock)}
    assert norms <= frozen and 'bbox_head' not in frozen and 'data_preprocessor' not in frozen
    _, boxes, _ = model.bbox_head(features)
    model.eval()
    _, in_pixels, _ = model.bbox_head(features)
    for ours, theirs, stride in zip(boxes, in_pixels, model.bbox_head.strides, strict=True):
        assert torch.equal(ours * stride, theirs)


def test_the_frozen_parts_of_a_model_that_learns_from_predictions_predict() -> None:
    fcn = pytest.importorskip('mmseg.models.decode_heads.fcn_head')
    model = nn.Module()
    model.data_preprocessor = nn.Conv2d(3, 3, 1)
    model.decode_head = fcn.FCNHead(in_channels=3, channels=3, num_classes=2, num_convs=0, concat_input=False)
    for predicts in (False, True):
        model.frozen_parts_predict = predicts
        hook = TrainOnlyHook()
        hook.before_train(SimpleNamespace(model=model))
        model.train()
        hook.before_train_iter(SimpleNamespace(model=model), 0)
        assert model.decode_head.training is not predicts
        assert not model.decode_head.dropout.training and model.data_preprocessor.training


def test_a_frozen_part_that_changes_by_itself_does_not() -> None:
    """EMANet's head moves its bases with every image that it sees in training mode."""
    ema = pytest.importorskip('mmseg.models.decode_heads.ema_head')
    model = nn.Module()
    model.data_preprocessor = nn.Conv2d(3, 3, 1)
    model.decode_head = ema.EMAHead(
        in_channels=3, channels=8, num_classes=2, ema_channels=8, num_bases=4, num_stages=1, norm_cfg=dict(type='BN')
    )
    hook = TrainOnlyHook()
    hook.before_train(SimpleNamespace(model=model))
    model.train()
    hook.before_train_iter(SimpleNamespace(model=model), 0)
    before = copy.deepcopy(model.decode_head.state_dict())
    model.decode_head([torch.randn(2, 3, 8, 8)])
    assert all(torch.equal(value, before[name]) for name, value in model.decode_head.state_dict().items())
