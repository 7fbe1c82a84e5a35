"""The pipelines of a config: where they are, and what they do to the size of an image."""
