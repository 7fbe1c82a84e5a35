"""Put a downsizer into a config of mmdet or mmsegmentation, and check the result on made-up data."""
