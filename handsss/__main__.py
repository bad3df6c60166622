"""``python -m handsss``."""

from handsss.cli.fast_exit import main

if __name__ == "__main__":
    main()
