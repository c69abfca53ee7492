"""`python -m hilum.agent`: the same as `hilum agent`, where the server is not installed."""

from hilum.agent.cli import main

main()
