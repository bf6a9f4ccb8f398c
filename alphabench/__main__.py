"""`python -m alphabench`, also under `torchrun --nproc-per-node 2 -m alphabench`."""

from alphabench.cli import main

main()
