"""What `make demo` does: synthetic data, three trainings, a table and a picture."""
