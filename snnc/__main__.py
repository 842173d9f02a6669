"""`python -m snnc` is `snnc`."""

from snnc.cli import main

main()
