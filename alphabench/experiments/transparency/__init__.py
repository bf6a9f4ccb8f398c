"""The study that validates the reference-free metrics: damage of known kind and strength, and what each metric sees."""
