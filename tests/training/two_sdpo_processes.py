"""What each of two processes that torchrun started came to, for test_sdpo_distributed.py."""

import json
import os
import sys
from pathlib import Path
from types import ModuleType


def main(reader: Path, out: Path) -> None:
    from tests.training.orchards import course, watched
    from tests.training.sdpo_runs import Echo, settings, trained

    with watched() as seen:
        config = settings(reader, out / "run", group=4, steps=2, teacher="ema", centring="batch", cross_fit=True)
        trained(config, course(Echo()))
    trainer = seen.trainers[0]
    weights = {name: each.double() for name, each in trainer.accelerator.unwrap_model(trainer.model).named_parameters()}
    teacher = {name: each.double() for name, each in trainer.teacher.weights.items()}
    told = {
        "sums": {name: [each.sum().item(), (each * each).sum().item()] for name, each in weights.items()},
        "teacher": {name: [each.sum().item(), (each * each).sum().item()] for name, each in teacher.items()},
        "advantages": [batch["advantages"].tolist() for batch in seen.batches],
        "counted": [passed["num_items_in_batch"].item() for passed in seen.passes],
        "processes": trainer.accelerator.num_processes,
    }
    (out / f"told-{os.environ['RANK']}.json").write_text(json.dumps(told))


if __name__ == "__main__":
    # What stands beside this file, or is installed, has names of other packages.
    sys.path.pop(0)
    tests = sys.modules["tests"] = ModuleType("tests")
    tests.__path__ = [str(Path(__file__).parents[1])]
    main(Path(sys.argv[1]), Path(sys.argv[2]))
