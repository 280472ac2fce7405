"""Step 3: training and validation files from rollouts. The documented flags and defaults; `usergym export` does the
same with more formats."""

import argparse
from pathlib import Path

from usergym.cli.export import export

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
parser.add_argument("--input", type=Path, default=Path("./data/rollouts.json"), help="rollouts of step 2")
parser.add_argument("--output_train", "--output-train", type=Path, default=Path("./data/train.jsonl"))
parser.add_argument("--output_val", "--output-val", type=Path, default=Path("./data/validation.jsonl"))
parser.add_argument("--n_val", "--n-val", type=int, default=128, help="rows held out for validation")
parser.add_argument(
    "--exclude_success", "--exclude-success", action="store_true", help="keep only what the agent got wrong"
)

if __name__ == "__main__":
    options = parser.parse_args()
    export(
        options.input,
        train=options.output_train,
        validation=options.output_val,
        n_val=options.n_val,
        exclude_success=options.exclude_success,
    )
