"""The checkpoints of a run as the documented tree: python recipes/usim/tree.py RUN OUTPUTS, at any time and again."""

import sys
from pathlib import Path

from usergym.cli.errors import told_in_one_line
from usergym.training.verl_tree import export_tree


@told_in_one_line
def main() -> None:
    if len(sys.argv) != 3:
        raise ValueError(
            f"{len(sys.argv) - 1} arguments; expected RUN OUTPUTS: a run's folder, and where its tree goes"
        )
    run, outputs = map(Path, sys.argv[1:])
    steps = export_tree(run, outputs)
    print(f"{outputs}: global_step_{', '.join(map(str, steps))}" if steps else f"{run} has no whole checkpoint yet")


if __name__ == "__main__":
    main()
