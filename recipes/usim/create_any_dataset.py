"""Rows on which a simulated user is trained: the documented flags and defaults; whatever else is given goes to
`usergym prepare users`, which does the same with more of them.

From a clone: `python -m recipes.usim.create_any_dataset`, or the file itself.
"""

import argparse
from pathlib import Path

from usergym.cli.errors import told_in_one_line
from usergym.cli.prepare import prepare

DATASETS = ("reddit", "amazon", "youtube", "medium", "wildchat_english", "wildchat", "enron", "plain")

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False
)
parser.add_argument("--dataset", choices=DATASETS, required=True)
source = parser.add_mutually_exclusive_group()
source.add_argument("--raw_dataset_repo", help="rows on the hub, or their file or folder; default: the published ones")
source.add_argument("--parquet_dir", help="a file of rows, or a folder whose files are splits")
parser.add_argument("--save_data_dir", type=Path, help="default: data/users/DATASET")
parser.add_argument("--save_prompt_dir", type=Path, help="default: prompts in --save_data_dir")
parser.add_argument("--hierarchy_config_path", help="a JSON file of levels, or the name of a shipped one")
parser.add_argument("--sft", action="store_true", help="rows for fine-tuning")
parser.add_argument("--thinking_sft", action="store_true", help="with a thought before the words; needs --sft")
parser.add_argument("--thinking_model", default="gpt-4o-mini", help="writes the thoughts")
parser.add_argument("--thinking_batch_size", type=int, default=20, help="questions in flight")
parser.add_argument("--field_dropout_prob", type=float, default=0.0, help="fields withheld in training rows")
parser.add_argument("--item_dropout_prob", type=float, default=0.0, help="items withheld in training rows")
parser.add_argument("--train_subset_percentage", type=float, help="of the training rows; default: all")
parser.add_argument("--test_subset_percentage", type=float, help="of the test rows; default: all")
parser.add_argument("--no_tag", action="store_true", help="without tags; for one level")
parser.add_argument("--trajectory_path", type=Path, help="thoughts that are there already")


def flags(options: argparse.Namespace) -> list[str]:
    """Those of the verb."""
    found = []
    for name, value in vars(options).items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            found.append(flag)
        elif value is not None and value is not False:
            found += [flag, str(value)]
    return found


@told_in_one_line
def main() -> None:
    known, more = parser.parse_known_args()
    prepare(["users", *flags(known), *more])


if __name__ == "__main__":
    main()
