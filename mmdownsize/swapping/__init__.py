"""Put a downsizer into a config: edits as values, and a check of the result on made-up data."""
