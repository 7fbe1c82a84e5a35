"""Trainings and tests as OpenMMLab's tools start them: what the command line says goes into the config, then a runner runs it."""

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')
