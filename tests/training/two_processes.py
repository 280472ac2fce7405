"""What each of two processes that torchrun started came to, for test_grpo_distributed.py."""

import json
import os
import sys
from pathlib import Path
from types import ModuleType


def main(policy: Path, out: Path) -> None:
    from tests.training.orchard import Orchard
    from tests.training.orchards import course, settings, trained, watched

    with watched() as seen:
        config = settings(policy, out / "run", micro_batch=2, prompts=3, eval_every=2, validation=5, steps=2)
        done = trained(config, course(Orchard(asks=3), held_out=5))
    trainer = seen.trainers[0]
    weights = {name: each.double() for name, each in trainer.accelerator.unwrap_model(trainer.model).named_parameters()}
    told = {
        "sums": {name: [each.sum().item(), (each * each).sum().item()] for name, each in weights.items()},
        "advantages": [batch["advantages"].tolist() for batch in seen.batches],
        "samples": [[each.sample for each in played] for played in seen.played],
        "model": str(done.model),
        "processes": trainer.accelerator.num_processes,
    }
    (out / f"told-{os.environ['RANK']}.json").write_text(json.dumps(told))


if __name__ == "__main__":
    # What stands beside this file, or is installed, has names of other packages.
    sys.path.pop(0)
    tests = sys.modules["tests"] = ModuleType("tests")
    tests.__path__ = [str(Path(__file__).parents[1])]
    main(Path(sys.argv[1]), Path(sys.argv[2]))
