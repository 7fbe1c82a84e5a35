# Fixed kernels that lie some source pixels further down and right, for tools/rank_resizers.py and tools/compare.py --arms: as
# fits come to lie (docs/study/six_positions.md).
_base_ = './_resizers.py'

arms = {}
for name in ('area', 'sharp_area', 'bicubic', 'lanczos_antialiased'):
    for by in range(-1, 6):
        moved = dict(type='FixedResizer', **_base_.fixed[name], shift=(by, by))
        arms[f'{name}_moved_{by}' if by else name] = dict(downsizer=moved, train=False)
