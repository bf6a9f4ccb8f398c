"""`python -m alphabench`, also under `accelerate launch -m alphabench`."""

from alphabench.cli import main

main()
