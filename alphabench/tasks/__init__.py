"""What a run does: predict, score, keep, conclude."""
