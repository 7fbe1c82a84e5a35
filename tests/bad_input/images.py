"""Malformed images, sizes and resizers of plain Python: what `mmdownsize.resize_image` refuses, and what it takes."""

import functools

import numpy as np
import torch
from PIL import Image
from torch import nn

from mmdownsize import FixedResizer, list_pretrained, resize_image
from tests.bad_input.case import Accepted, Case

(NAME,) = list_pretrained()
PHOTO = np.full((12, 18, 3), 77, np.uint8)


def case(id, value, way_out, image=PHOTO, size=None, error=ValueError, **settings):
    size = size if size is not None or 'scale_factor' in settings else (6, 4)
    return Case(id, lambda folder: resize_image(image, size, **settings), error, value, way_out)


class Wrong(nn.Module):
    def forward(self, images, dst_hw):
        return images


CASES = [
    case('an image that is a path', 'got str', r'PIL\.Image\.open', 'photo.jpg', error=TypeError),
    case('an image of booleans', 'an array of bool', r'astype\("uint8"\)', PHOTO > 5, error=TypeError),
    case('an array of objects', 'an array of object', 'integers or floats', np.array([[None]]), error=TypeError),
    case(
        'a complex tensor', 'torch.complex64', 'torch.uint8', torch.ones(3, 4, 4).to(torch.complex64), error=TypeError
    ),
    case('a line of pixels', 'got (18,)', r'must be \(H, W\), \(H, W, C\)', PHOTO[0, :, 0]),
    case('an image of no pixels', 'got (0, 18, 3)', 'at least one pixel', PHOTO[:0]),
    case('a batch of batches', 'got (1, 1, 12, 18, 3)', r'or \(N, H, W, C\)', PHOTO[None, None]),
    case('channels first in an array', '(3, 12, 180)', 'np.moveaxis', np.zeros((3, 12, 180), np.uint8)),
    case('channels last in a tensor', '(120, 180, 3)', 'movedim', torch.zeros(120, 180, 3)),
    case('an empty PIL image', 'got (0, 5, 3)', 'at least one pixel', Image.new('RGB', (5, 0))),
    case('a PIL image for printing', 'mode CMYK', r"convert\('RGB'\)", Image.new('CMYK', (5, 5))),
    case('a PIL image in BGR', "colour='bgr'", 'give the array', Image.fromarray(PHOTO), colour='bgr'),
    case('neither a size nor a factor', 'size=None', r'size=\(w, h\) in px or scale_factor', scale_factor=None),
    case('both', 'scale_factor=0.5', 'one of the two', size=5, scale_factor=0.5),
    case('a size of 0', 'got (0, 5)', 'size must be above 0', size=(0, 5)),
    case('a size of half a pixel', 'got 5.5', 'a ratio is given as scale_factor', size=5.5),
    case('a size of three', 'got (5, 5, 5)', r'size must be a number or a pair \(w, h\)', size=(5, 5, 5)),
    case('a factor of 0', 'got 0', 'scale_factor must be above 0', scale_factor=0),
    case('a factor that leaves nothing', '0 x 0 px', 'larger target', scale_factor=0.001),
    case('a kernel that does not exist', "'lanczos3'", "did you mean 'lanczos", resizer='lanczos3'),
    case('a downsizer that is not trained', "'importance'", 'known are nearest', resizer='importance'),
    case('a resizer that is a class', "<class 'mmdown", 'a name or a path', resizer=FixedResizer),
    case('weights that are not there', "'gone.safetensors'", 'those with the package', resizer='gone.safetensors'),
    case('weights for three channels on four', 'got 4', 'fixed kernel', PHOTO.repeat(2, -1)[..., :4], resizer=NAME),
    case('weights on transparent pixels', 'RGBA image', 'fixed kernel', Image.new('RGBA', (9, 9)), resizer=NAME),
    case('integers of any range', 'int64', r'value_range=\(lowest, highest\)', PHOTO.astype(np.int64), resizer=NAME),
    case('a module that does not resize', '(1, 3, 12, 18)', r'returns images \(N, C, h, w\)', resizer=Wrong()),
    case('colours that do not exist', "'rbg'", 'choose one of rgb, bgr', colour='rbg'),
    case('a range without an extent', 'got (1, 1)', r'value_range must be \(lowest', value_range=(1, 1)),
]


def keeps_its_values(image, folder):
    small = resize_image(image, (6, 4))
    assert small.dtype == image.dtype and (small == image[0, 0]).all()


ACCEPTED = [
    Accepted('an image of many channels', functools.partial(keeps_its_values, np.full((12, 18, 40), 7, np.uint8))),
    Accepted('three rows of few channels', functools.partial(keeps_its_values, np.full((3, 18, 30), 7, np.uint8))),
    Accepted('bytes in the other order', functools.partial(keeps_its_values, np.full((12, 18), 7, '>u2'))),
]
