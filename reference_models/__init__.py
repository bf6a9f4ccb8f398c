"""Models that alphabench judges."""
