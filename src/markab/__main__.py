"""`python -m markab` is `markab`."""

from markab.cli.main import main

if __name__ == "__main__":
    main()
