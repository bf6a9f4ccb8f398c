"""What is judged on: manifests, folders, the embedded set, and the one place that uses the network."""
