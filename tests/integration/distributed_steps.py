"""Training steps of one process among several, in a module of its own because the processes import it."""

import datetime
from pathlib import Path

import torch
import torch.distributed as dist
from mmengine.logging import MMLogger
from mmengine.model import MMDistributedDataParallel

from tests.integration.scenes import detection_batch, segmentation_batch
from tests.integration.swapped_models import RecordingOptimWrapper, initialised

STEPS = 3
WORLD_SIZE = 2
EVERYTHING = slice(None)

_GROUP_NORM = dict(type='GN', num_groups=2)
_FCN = dict(
    backbone=dict(norm_cfg=_GROUP_NORM),
    decode_head=dict(norm_cfg=_GROUP_NORM, dropout_ratio=0.0),
    auxiliary_head=dict(norm_cfg=_GROUP_NORM, dropout_ratio=0.0),
)
_NO_DROPOUT = dict(self_attn_cfg=dict(dropout=0.0), ffn_cfg=dict(ffn_drop=0.0), cross_attn_cfg=dict(dropout=0.0))
_DETR = dict(
    encoder=dict(layer_cfg={key: _NO_DROPOUT[key] for key in ('self_attn_cfg', 'ffn_cfg')}),
    decoder=dict(layer_cfg=_NO_DROPOUT),
)

# name: model, target, sizes of the images of the joint batch (the first half is rank 0's), overrides, arguments of the wrapper
SCENARIOS = {
    'other sizes': ('fcn', 'scale_factor=0.5', [(64, 96), (40, 70), (32, 48), (64, 90)], _FCN, {}),
    'a rank with nothing to resize': ('fcn', 'scale=(48, 32)', [(64, 96), (40, 70), (32, 48), (32, 48)], _FCN, {}),
    'unused parameters looked for': (
        'fcn',
        'scale=(48, 32)',
        [(64, 96), (40, 70), (32, 48), (32, 48)],
        _FCN,
        dict(find_unused_parameters=True),
    ),
    'static graph': ('fcn', 'scale=(48, 32)', [(64, 96), (40, 70), (32, 48), (32, 48)], _FCN, dict(static_graph=True)),
    'detection': ('detr', 'scale=(64, 48)', None, _DETR, {}),
}


def joint_batches(scenario):
    """The batches of all steps; a rank takes its share of each."""
    name, _, sizes, _, _ = SCENARIOS[scenario]
    torch.manual_seed(5)
    if name == 'fcn':
        return [segmentation_batch(sizes) for _ in range(STEPS)]
    batches = []
    for _ in range(STEPS):
        one, other = detection_batch(), detection_batch()  # the same number of objects on either rank
        batches.append({key: one[key] + other[key] for key in one})
    return batches


def steps(scenario, directory, share=EVERYTHING, wrap=lambda model, **kwargs: model):
    """Train on a share of the batches; return the gradients of every step and the weights after the last."""
    name, target, _, overrides, arguments = SCENARIOS[scenario]
    Path(directory).mkdir(exist_ok=True)
    torch.manual_seed(0)
    model = initialised(name, Path(directory), target=target, **overrides).train()
    wrapper = RecordingOptimWrapper(model, torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9))
    stepping = wrap(model, **arguments)
    for batch in joint_batches(scenario):
        stepping.train_step({key: value[share] for key, value in batch.items()}, wrapper)
    return dict(gradients=wrapper.gradients, weights=model.state_dict())


def run_rank(rank, directory):
    """Run all scenarios as one of the ranks and save what came of them."""
    torch.set_num_threads(1)
    MMLogger.get_current_instance().setLevel('WARNING')
    dist.init_process_group(
        'gloo',
        init_method=f'file://{directory}/rendezvous',
        rank=rank,
        world_size=WORLD_SIZE,
        timeout=datetime.timedelta(seconds=60),
    )
    share = slice(2 * rank, 2 * rank + 2)
    results = {
        scenario: steps(scenario, f'{directory}/rank{rank}', share, MMDistributedDataParallel) for scenario in SCENARIOS
    }
    torch.save(results, f'{directory}/rank{rank}.pth')
    dist.destroy_process_group()
