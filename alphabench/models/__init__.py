"""The contract of a model, the registry, safe checkpoints, yardsticks and folders of predictions."""
