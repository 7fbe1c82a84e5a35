"""Two processes train as one does: mmengine runs the preprocessor outside of DDP's forward, yet its gradients are reduced."""

import pytest
import torch
import torch.multiprocessing as mp

pytest.importorskip('mmdet')  # the processes go through scenes of both tasks
pytest.importorskip('mmseg')

from tests.integration.distributed_steps import SCENARIOS, STEPS, WORLD_SIZE, joint_batches, run_rank, steps

every_scenario = pytest.mark.parametrize('scenario', SCENARIOS)


@pytest.fixture(scope='module')
def ranks(tmp_path_factory):
    directory = tmp_path_factory.mktemp('distributed')
    mp.spawn(run_rank, (str(directory),), nprocs=WORLD_SIZE)
    return [torch.load(directory / f'rank{rank}.pth') for rank in range(WORLD_SIZE)]


@pytest.fixture(scope='module')
def alone(tmp_path_factory):
    directory = tmp_path_factory.mktemp('alone')
    return {scenario: steps(scenario, directory) for scenario in SCENARIOS}


def close(a, b, noise=0.0):
    return torch.allclose(a, b, rtol=1e-4, atol=1e-4 * float(b.abs().max()) + noise)


@every_scenario
def test_gradients_of_two_processes_are_those_of_one_over_the_joint_batch(scenario, ranks, alone):
    for step in range(STEPS):
        wanted = alone[scenario]['gradients'][step]
        # Some gradients are 0 but for rounding, which is relative to the largest.
        noise = 1e-7 * max(float(grad.abs().max()) for grad in wanted.values() if grad is not None)
        reached = 0
        for name, grad in wanted.items():
            for rank in ranks:
                found = rank[scenario]['gradients'][step][name]
                assert (found is None) == (grad is None), name
                assert grad is None or close(found, grad, noise), (step, name)
            reached += name.startswith('data_preprocessor.downsizer.') and float(grad.abs().sum()) > 0
        assert reached == (2 if step == 0 else 6)  # the texture is without effect at the exact start


@every_scenario
def test_the_shares_alone_have_other_gradients(scenario, tmp_path, alone):
    # Else the test above could not tell reduced gradients from a rank's own.
    for rank in range(WORLD_SIZE):
        own = steps(scenario, tmp_path, slice(2 * rank, 2 * rank + 2))['gradients'][0]
        name = 'data_preprocessor.downsizer.fusion.weight'
        assert not close(own[name], alone[scenario]['gradients'][0][name])


@every_scenario
def test_three_steps_keep_the_ranks_identical(scenario, ranks, alone):
    first, second = (rank[scenario]['weights'] for rank in ranks)
    assert first['data_preprocessor.downsizer.fusion.weight'].abs().sum() > 0  # it started at 0
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
        assert torch.allclose(value, alone[scenario]['weights'][name], rtol=1e-4, atol=1e-5), name


def test_the_scenarios_are_what_they_say():
    sizes = [tuple(image.shape[-2:]) for image in joint_batches('a rank with nothing to resize')[0]['inputs']]
    assert sizes[2:] == [(32, 48)] * 2
    assert (32, 48) not in sizes[:2]
    for batch in joint_batches('detection'):
        counts = [len(sample.gt_instances) for sample in batch['data_samples']]
        assert sum(counts[:2]) == sum(counts[2:])
