"""The demo: synthetic data, the same model trained with three resizers, a table and a picture."""
