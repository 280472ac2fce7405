"""`usergym eval --envs all` as a person runs it, timed, and written down in docs/results/eval_all.md.

    python benchmarks/eval_all.py [--envs all] [--local-tasks 2] [--skip-local]

Oracle and idle play 10 tasks of every environment, SmolLM2-135M in process 2 tasks with at most 4 replies. The limit is
10 minutes on 2 cores.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from usergym import __version__

LIMIT = 600.0
PAGE = Path(__file__).parents[1] / "docs" / "results" / "eval_all.md"


def run(folder: str, *arguments: object) -> tuple[str, str, float]:
    """The command, what it printed, and seconds of wall clock."""
    words = ["usergym", "eval", *map(str, arguments)]
    started = time.monotonic()
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    seconds = time.monotonic() - started
    if done.returncode:
        sys.exit(f"{' '.join(words)}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
    return " ".join(words), done.stdout.replace(folder, "."), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envs", default="all")
    parser.add_argument("--local-tasks", type=int, default=2)
    parser.add_argument("--skip-local", action="store_true", help="without the model file")
    parser.add_argument("--output", type=Path, default=PAGE)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = [run(folder, "--envs", options.envs, "--model", "oracle", "idle", "--limit", 10)]
        if not options.skip_local:
            few = ("--limit", options.local_tasks, "--max-replies", 4, "--max-tokens", 160, "--temperature", 0)
            runs.append(run(folder, "--envs", options.envs, "--model", "local/smollm2", *few))
    seconds = sum(spent for _, _, spent in runs)
    here = f"usergym {__version__}, Python {platform.python_version()}, {os.cpu_count()} cores"
    text = f"# Evaluation over all environments\n\n`python benchmarks/eval_all.py`: {seconds:,.0f} s ({here}); "
    text += f"the limit is {LIMIT:,.0f} s. Tasks are of the test split.\n"
    for command, printed, spent in runs:
        text += f"\n## {spent:,.0f} s\n\n```text\n$ {command}\n{printed.rstrip()}\n```\n"
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text, encoding="utf-8")
    print(text)
    if seconds > LIMIT:
        sys.exit(f"{seconds:,.0f} s, over the limit")


if __name__ == "__main__":
    main()
