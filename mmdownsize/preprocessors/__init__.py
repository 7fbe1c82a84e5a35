"""The OpenMMLab adapters: data preprocessors that resize with a learned downsizer before they normalise."""
