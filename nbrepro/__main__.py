"""Run the command line as `python -m nbrepro`."""

from nbrepro.cli import main

if __name__ == "__main__":
    main()
