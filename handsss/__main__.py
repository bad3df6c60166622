"""``python -m handsss``."""

from handsss.cli.main import run

if __name__ == "__main__":
    run()
