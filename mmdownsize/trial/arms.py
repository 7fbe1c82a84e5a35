"""What a trial tests: the model at full resolution, and with fixed kernels and the fitted downsizer before it."""

from __future__ import annotations

from dataclasses import replace

from mmengine.config import Config

from mmdownsize.comparing.arms import Arm, load_arms, preprocessor_of

FULL, FITTED = 'full resolution', 'fitted'
ALWAYS_SHOWN = ('bilinear', 'area')
FIXED = (*ALWAYS_SHOWN, 'bicubic', 'lanczos_antialiased', 'sharp_area')  # of configs/_base_/downsize


def arms_of(cfg: Config, original: Config) -> list[Arm]:
    """Return the arms of a trial: the full resolution, the fixed kernels, and the fitted downsizer, which alone is trained.

    Args:
        cfg: The config of the fit.
        original: The config without a downsizer.
    """
    path, preprocessor = preprocessor_of(cfg)
    # To the size that it has already bilinear resizing changes nothing. Windows have the size that they had without a downsizer.
    options = {f'{path}.scale_factor': 1.0, f'{path}.scale': None, f'{path}.keep_ratio': False}
    windows = original.model.get('test_cfg') or {}
    options |= {f'model.test_cfg.{key}': windows[key] for key in ('crop_size', 'stride') if key in windows}
    full = Arm(FULL, dict(type='FixedResizer'), options, train=False)
    fixed = [replace(arm, train=False) for arm in load_arms(FIXED, None, None)]
    return [full, *fixed, Arm(FITTED, preprocessor['downsizer'].to_dict(), {})]
