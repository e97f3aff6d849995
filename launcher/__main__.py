"""`python -m launcher`: the command line."""

from launcher.main import main

main()
