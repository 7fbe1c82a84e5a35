"""Export: downsizers and segmentors as graphs for other runtimes, a downsizer as a file, and what a model computes."""

PARTS = ('downsizer', 'segmentor')
INPUT_DTYPES = ('float32', 'uint8')
MIN_OPSET, MAX_OPSET = 17, 20  # of torch.onnx's tracing exporter, which leaves every size open by itself
