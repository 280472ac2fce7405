"""Step 2: play the conversations with the agent under test and grade every turn. The documented flags and defaults;
`usergym rollout --env calendar` does the same with more of them."""

import argparse
import os
from pathlib import Path

from usergym.cli.options import ModelOptions, RunOptions
from usergym.cli.rollout import rollout
from usergym.data.formats import graded
from usergym.rollouts.store import read_trajectories
from usergym.rows import Writer

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
parser.add_argument("--input", type=Path, default=Path("./data/train.json"), help="conversations of step 1")
parser.add_argument("--output", type=Path, default=Path("./data/rollouts.json"), help="rows with their grade")
parser.add_argument("--model", default="Qwen/Qwen3-8B", help="the agent under test")
parser.add_argument("--endpoint", choices=("vllm", "nims", "openai"), default="vllm", help="where the agent is served")
parser.add_argument("--min-time", default="10am", help="start of the day, as the agent is told it")
parser.add_argument("--max-time", default="4pm", help="end of the day, as the agent is told it")
parser.add_argument("--offset", type=int, default=None, help="leave out so many conversations")
parser.add_argument("--n-samples", type=int, default=None, help="play at most so many")
parser.add_argument("--n-workers", type=int, default=100, help="conversations in flight")
parser.add_argument("--min-cal-entries", type=int, default=None, help="play up to 4 times, keep rows with so many")

if __name__ == "__main__":
    options = parser.parse_args()
    folder = options.output.with_name(options.output.name + ".run")
    rollout(
        env=f"calendar:told_min_time={options.min_time},told_max_time={options.max_time}",
        model=options.model,
        tasks=options.input,
        offset=options.offset or 0,
        repeats=4 if options.min_cal_entries else 1,
        run=RunOptions(out=os.path.join(".", folder), limit=options.n_samples, concurrency=options.n_workers),
        models=ModelOptions(endpoint=options.endpoint),
    )
    rows: dict[str, dict] = {}
    for trajectory in read_trajectories(folder):
        for row in graded.write(trajectory):
            if len(row["exp_cal_state"]) >= (options.min_cal_entries or 0):
                rows.setdefault(trajectory.task.id, row)  # of several attempts the first that got so far
    with Writer(options.output) as writer:
        for row in rows.values():
            writer.write(row)
    print(f"{writer.rows:,} rows in {options.output}")
