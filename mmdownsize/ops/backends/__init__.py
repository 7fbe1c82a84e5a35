"""The ways to compute :func:`mmdownsize.ops.downsize`. All give the same result up to rounding."""
