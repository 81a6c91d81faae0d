"""`python -m lightning_sciml.cli`: the program, for launchers that want a module."""

from lightning_sciml.cli.main import main

if __name__ == "__main__":
    main()
