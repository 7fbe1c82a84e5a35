"""Compare resizers before the same model: arms, starting weights, runs, statistics and reports."""
