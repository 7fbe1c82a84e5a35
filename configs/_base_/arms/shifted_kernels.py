# Fixed kernels in seven places: shifted by -1 to 5 source pixels, down and right. For tools/rank_resizers.py --arms and
# tools/compare.py --arms. A finished model whose layers pad at one side can do better behind a shifted kernel.
kernels = dict(
    area=dict(kernel='area'),
    sharp_area=dict(kernel='sharp_area'),
    bicubic=dict(kernel='bicubic'),
    lanczos_antialiased=dict(kernel='lanczos', antialias=True),
)

arms = {}
for name, kernel in kernels.items():
    for by in range(-1, 6):
        shifted = dict(type='FixedResizer', **kernel, shift=(by, by))
        arms[f'{name}_moved_{by}' if by else name] = dict(downsizer=shifted, train=False)
