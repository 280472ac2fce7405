"""Several interaction data sets merged into one file, with the documented arguments and caps; `usergym envs merge` does
the same with caps of your own.

A data set is read from DATA_DIR/NAME/SPLIT.parquet where it is there; otherwise tasks of our own environment of that
name are made. Of training sets 35% of each travel set and at most 200 rows of function are taken, and prompts of 1,152
tokens or more left out; of test sets half, but at least 50 rows where there are (of travel just half).
"""

import argparse
from pathlib import Path

from usergym.cli.envs_merge import envs_merge
from usergym.evaluation.published import table

TRAVEL = [name for name in table().tasks if name.startswith("travel")]
OTHERS = ("turtle", "telepathy", "persuasion", "intention", "bamboogle", "function", "tau")
DEFAULT = [f"{name}_multiturn_onechoice" for name in TRAVEL] + [f"{name}_multiturn" for name in OTHERS]

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--datasets", nargs="+", default=DEFAULT, help="data sets to merge")
parser.add_argument("--seed", type=int, default=42)
parser.add_argument("--split", default="test", choices=["train", "validation", "test"])
parser.add_argument("--data_dir", "--data-dir", type=Path, default=Path("data"), help="where published sets are")
parser.add_argument("--output_dir", "--output-dir", type=Path, help="default: DATA_DIR/allSPLIT_multiturn")
parser.add_argument("--tasks", type=int, default=500, help="of each set that we make ourselves")


def main() -> None:
    options = parser.parse_args()
    sources = [source(name, options.data_dir, options.split) for name in options.datasets]
    share: list[str] = []
    most: list[str] = []
    least: list[str] = []
    for name, where in zip(options.datasets, sources, strict=True):
        if options.split == "train":
            share += [f"{where}=0.35"] * name.startswith("travel")
            most += [f"{where}=200"] * name.startswith("function")
        elif options.split == "test":
            share.append(f"{where}=0.5")
            least += [f"{where}=50"] * (not name.startswith("travel"))
    folder = options.output_dir or options.data_dir / f"all{options.split}_multiturn"
    envs_merge(
        *sources,
        output=folder / f"{options.split}.parquet",
        split=options.split,
        tasks=options.tasks,
        share=tuple(share),
        most=tuple(most),
        least=tuple(least),
        max_prompt_tokens=1152 if options.split == "train" else None,
        seed=options.seed,
    )


def source(name: str, folder: Path, split: str) -> str:
    """The file of a data set, or our environment of its name."""
    for path in (folder / name / f"{split}.parquet", folder / f"{name}.{split}.parquet"):
        if path.exists():
            return str(path)
    return name.removesuffix("_onechoice").removesuffix("_multiturn")


if __name__ == "__main__":
    main()
