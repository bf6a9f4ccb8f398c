"""Training losses, each a pure function or a module of its own; all work in [-1,1]."""
