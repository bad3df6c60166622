"""``python -m handsss``."""

from handsss.cli.leaving import main

if __name__ == "__main__":
    main()
