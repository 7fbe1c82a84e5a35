"""Run every model family of mmdet and mmsegmentation with and without a downsizer."""
