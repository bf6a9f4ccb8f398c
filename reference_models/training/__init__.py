"""Training: settings, data, one loop, checkpoints, a run log and sample grids."""
