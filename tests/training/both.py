"""A script on two processes, which torchrun starts and gloo connects."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.cli.terminal import environment


def on_two_processes(script: str, *arguments: Path) -> list[dict[str, Any]]:
    """What each process wrote to told-RANK.json in the folder that is the script's last argument."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*torchrun, str(Path(__file__).with_name(script)), *map(str, arguments)],
        env=environment(OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = [json.loads((arguments[-1] / f"told-{rank}.json").read_text()) for rank in (0, 1)]
    assert [each["processes"] for each in told] == [2, 2]
    return told
