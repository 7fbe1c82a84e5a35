"""Images as plain Python has them, resized: PIL images, NumPy arrays, tensors, and files. Needs no OpenMMLab package."""
