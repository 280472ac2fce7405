"""The documented launcher: its arguments and variables as one command of usergym, checked and run, or, with --dry-run,
checked and shown. What it shares with the launchers of recipes/sdpo is used from there."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "sdpo"))

from launch import main

if __name__ == "__main__":
    main()
