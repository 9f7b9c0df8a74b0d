"""`python -m deweather`, the same as the command `deweather`."""

from deweather.cli import main

if __name__ == "__main__":
    main()
