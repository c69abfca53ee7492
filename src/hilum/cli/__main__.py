"""`python -m hilum.cli`: the same as `hilum`."""

from hilum.cli import main

main()
