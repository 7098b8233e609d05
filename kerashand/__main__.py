"""`python -m kerashand`: the same as the command `kerashand`."""

from kerashand.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
