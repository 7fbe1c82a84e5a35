"""A model of one convolution that misbehaves on request, for test_zoo.py: it runs in other processes."""

import os
import time

import torch
from mmengine.model import BaseModel
from mmengine.registry import MODELS
from mmengine.structures import InstanceData, PixelData


@MODELS.register_module()
class PlantedModel(BaseModel):
    def __init__(self, behaviour, data_preprocessor):
        if behaviour == 'no such build':
            raise AttributeError("no attribute 'gone'")
        super().__init__(data_preprocessor)
        self.behaviour = behaviour
        self.conv = torch.nn.Conv2d(3, 2, 1)
        torch.nn.init.constant_(self.conv.bias, 0.1)

    def forward(self, inputs, data_samples, mode):
        swapped = hasattr(self.data_preprocessor, 'downsizer')
        logits = self.conv(inputs)
        if self.behaviour == 'sleeps':
            time.sleep(100)
        if self.behaviour == 'dies':
            os._exit(3)
        if self.behaviour == 'allocates':
            torch.empty(2**36)
        if self.behaviour == 'only swapped' and swapped:
            raise RuntimeError('planted in /some/machine/planted_model.py')
        if self.behaviour == 'only unswapped' and not swapped:
            raise RuntimeError('planted')
        if mode == 'loss':
            if self.behaviour == 'deaf':
                logits = logits.detach() + self.conv.bias.sum()
            target = torch.stack([sample.gt_sem_seg.data[0] for sample in data_samples])
            loss = torch.nn.functional.cross_entropy(logits, target, ignore_index=255)
            return dict(loss_seg=loss / 0 if self.behaviour == 'infinite' else loss)
        for sample, one in zip(data_samples, logits):
            hw = sample.img_shape if self.behaviour == 'small map' else sample.ori_shape
            full = torch.nn.functional.interpolate(one[None], hw)[0]
            sample.pred_sem_seg = PixelData(data=full.argmax(0, keepdim=True))
            if self.behaviour == 'boxes':  # which forget to go back to the original image
                w = 2.0 * sample.ori_shape[1] if swapped else 1.0
                sample.pred_instances = InstanceData(bboxes=torch.tensor([[0.0, 0.0, w, 1.0]]))
        return data_samples
