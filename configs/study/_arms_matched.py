# A downsizer that voc2012_matched_100.py has made and tools/extract_downsizer.py has taken out, only tested.
arms = dict(
    lanczos_antialiased=dict(downsizer=dict(type='FixedResizer', kernel='lanczos', antialias=True), train=False),
    matched=dict(downsizer=dict(type='DownsizeNet', pretrained='work_dirs/study/matched_100.safetensors'), train=False),
)
