"""Put a downsizer into a config of mmdet or mmsegmentation, and check the result on made-up data."""

# The fragments of configs/_base_/downsize that a swap takes, unless another is asked for.
DOWNSIZER = 'importance_lanczos'
FITTED = 'downsizenet_6x6_signed'  # to a finished model
