"""`python -m lightning_sciml`: the program `sciml`."""

from lightning_sciml.cli.main import main

if __name__ == "__main__":
    main()
