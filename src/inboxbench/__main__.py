"""`python -m inboxbench`."""

from inboxbench.cli import main

main()
