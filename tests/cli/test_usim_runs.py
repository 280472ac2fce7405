"""recipes/usim/train_grpo.sh for real: the tree that it leaves, what goes on from it, and who is evaluated."""

import importlib
import json
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.cli.usim_script import Run, exported, inputs, made, run, tree
from usergym.environments.people.gym import People
from usergym.rollouts.store import read_trajectories

pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked")
__all__ = ["exported", "inputs", "made", "run"]  # fixtures

SMALL = {
    "TRAIN_BATCH_SIZE": "2",
    "N_ROLLOUTS": "2",
    "PPO_MINI_BATCH_SIZE": "1",
    "TOTAL_TRAINING_STEPS": "2",
    "SAVE_FREQ": "1",
    "VAL_SIZE": "2",
    "MAX_GEN_LENGTH": "16",
    "LEARNING_RATE": "1e-3",
}


def test_a_documented_run_leaves_the_documented_tree_and_goes_on_from_it(
    run: Run, made: Path, inputs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {**inputs, **SMALL, "EXP_NAME": "exp", "DATA": str(made / "rows.jsonl")}
    line = ("cpu", "reddit", "separate_generation")
    done = run((*line, "yes", "it's done", "--", "--patience", "60"), real=True, **variables)
    assert done.status == 0, done.err
    assert "git add -A && git commit -m 'it'\"'\"'s done' && git push" in done.out
    out = Path("outputs/exp")
    assert (out / "latest_checkpointed_iteration.txt").read_text() == "2"
    for step in (1, 2):
        actor = out / f"global_step_{step}" / "actor"
        files = {path.name for path in actor.iterdir()}
        assert {"model.safetensors", "config.json", "tokenizer.json", "data.json", "hierarchy_map.json"} <= files
        assert not {"optimizer.pt", "trainer_state.json", "prefixes.json"} & files
        told = json.loads((actor / "data.json").read_text())
        assert told == {"global_step": step, "tasks": 2 * step, "seed": 0, "data": str(made / "rows.jsonl")}
    assert not [path for path in out.iterdir() if path.name.endswith((".tmp", ".old"))]

    marks = {path: path.stat().st_mtime_ns for path in out.glob("global_step_*/**/*")}
    logged = (out / "metrics.jsonl").read_text()
    again = run((*line, "no", "", str(out), "--", "--patience", "60"), real=True, **variables)
    assert again.status == 0, again.err
    assert (out / "metrics.jsonl").read_text() == logged, "nothing was left to do"
    assert {path: path.stat().st_mtime_ns for path in out.glob("global_step_*/**/*")} == marks

    laid = importlib.import_module("tree")
    monkeypatch.setattr(sys, "argv", ["tree.py", str(out), "elsewhere"])
    laid.main()
    assert tree(Path("elsewhere") / "global_step_2") == tree(out / "global_step_2")
    monkeypatch.setattr(sys, "argv", ["tree.py", str(made), "nowhere"])
    with pytest.raises(SystemExit):
        laid.main()
    assert not Path("nowhere").exists()

    variables.pop("EXP_NAME")
    last = run((*line, "no", "", str(out / "global_step_2"), "--dry-run"), **variables)
    assert (last.flag("--out"), last.flag("--model")) == ("./outputs/exp", inputs["BASE_MODEL"])
    first = run((*line, "no", "", str(out / "global_step_1"), "--dry-run"), **variables)
    assert first.status == 0, first.err
    assert first.flag("--out") != "./outputs/exp"
    assert first.flag("--model") == "outputs/exp/global_step_1/actor"
    assert first.flag("--prefixes") == "./outputs/exp/global_step_1/actor/hierarchy_map.json"

    evaluated = run(
        ("cpu", "reddit", "eval_only", "no", "", str(out), "humanlm-sep-prompt", "--dry-run"),
        EVAL_SIZE="2",
        **variables,
    )
    assert evaluated.status == 0, evaluated.err
    assert evaluated.flag("--model") == "checkpoint/outputs/exp/checkpoints/checkpoint-4"


def test_a_run_begins_with_the_published_prefixes(run: Run, made: Path, inputs: dict[str, str]) -> None:
    import torch

    people = People(config="separate_generation", data=str(made / "rows.jsonl"))
    first = next(people.tasks("train", 0)).data["context"]
    context = next(each for each in people.contexts if each.id == first)
    row = {
        "prompt": [{"role": "user", "content": "Cake?\n<stance>\nfor cake\n</stance>\n"}],
        "extra_info": {"target_user_id": context.user, "post_id": context.post},
        "reward_model": {"ground_truth": context.truth["response"]},
    }
    entry = {"reward": 0.95, "field": "for cake", "data": row}
    actor = Path("theirs/global_step_7/actor")
    shutil.copytree(made / "policy", actor)
    torch.save({"hierarchy_map": {"stance": {"stance:3": [entry]}}}, actor / "hierarchy_map.pt")
    variables = {
        **inputs,
        **SMALL,
        "DATA": str(made / "rows.jsonl"),
        "OUTPUT_DIR": "begun",
        "TOTAL_TRAINING_STEPS": "1",
    }
    line = ("cpu", "reddit", "separate_generation", "no", "", "theirs/global_step_7")
    shown = run((*line, "--dry-run"), **variables)
    assert shown.status == 0, shown.err
    assert "hierarchy_map.pt: 1 prefixes" in shown.out
    assert not Path("begun").exists()
    done = run((*line, "--", "--patience", "60", "--micro-batch-is-no-flag"), **variables)
    assert done.ran is None
    done = run((*line, "--", "--patience", "60", "--levels", "emotion"), real=True, **variables)
    assert done.status == 0, done.err
    told = [reward for each in read_trajectories(Path("begun")) for reward in each.rewards if reward.name == "prefix"]
    assert {(reward.value, reward.reason) for reward in told} == {(0.95, "<stance>for cake</stance>")}
    saved = json.loads(Path("begun/global_step_1/actor/hierarchy_map.json").read_text())
    assert saved["prefixes"][context.id]["stance"][0]["step"] == 0, "as old as it was when its run ended"


class Boom:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (os.mkdir, ("harm",))


def test_a_file_that_would_run_code_is_refused_unread(run: Run, made: Path, inputs: dict[str, str]) -> None:
    import torch

    actor = Path("theirs/global_step_7/actor")
    shutil.copytree(made / "policy", actor)
    torch.save({"stance": {"a": [Boom()]}}, actor / "hierarchy_map.pt")
    shown = run("cpu reddit separate_generation no '' theirs/global_step_7 --dry-run", **inputs)
    assert shown.status == 1
    assert "hierarchy_map.pt holds more than plain values" in shown.err
    assert not Path("harm").exists()


def test_a_model_that_would_think_is_evaluated_without_it_where_its_type_does_not(
    run: Run, made: Path, inputs: dict[str, str]
) -> None:
    thinking = Path("thinking")
    shutil.copytree(made / "policy", thinking)
    own = (thinking / "chat_template.jinja").read_text()
    (thinking / "chat_template.jinja").write_text(own + "{% if enable_thinking is defined %}{% endif %}")
    variables = {**inputs, "BASE_MODEL": str(thinking), "EVAL_SIZE": "2", "OUTPUT_DIR": "evaluated"}
    plain = run("cpu reddit eval_only no '' '' base-think --dry-run", **variables)
    assert plain.flag("--model") == "checkpoint/thinking"
    done = run("cpu reddit eval_only", real=True, **variables)
    assert done.status == 0, done.out + done.err
    assert done.ran
    assert "checkpoint/./evaluated/model" in done.ran
    assert Path("evaluated/model/chat_template.jinja").read_text().startswith("{%- set enable_thinking = false %}")
    assert Path("evaluated/model/model.safetensors").resolve() == (thinking / "model.safetensors").resolve()
    assert (Path("evaluated") / "results.json").is_file()


def test_a_user_model_speaks_as_the_user(run: Run, made: Path, inputs: dict[str, str]) -> None:
    from usergym.training import checkpoints
    from usergym.training.chat import Chat
    from usergym.types import Message

    model, tokenizer = checkpoints.load(str(made / "policy"))
    tokenizer.add_special_tokens(
        {"additional_special_tokens": ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]}
    )
    model.resize_token_embeddings(len(tokenizer))
    checkpoints.save(model, tokenizer, Path("userlm"))
    variables = {**inputs, **SMALL, "BASE_MODEL": "./userlm", "BASE_MODEL_TYPE": "userlm", "OUTPUT_DIR": "out"}
    done = run("cpu reddit response_only", **variables)
    assert done.ran, done.err
    given = Path(done.ran[done.ran.index("--chat-template") + 1])
    chat = Chat(checkpoints.tokenizer(checkpoints.find("./userlm"), given))
    said = chat.tokenizer.decode(chat.first([Message("system", "You."), Message("user", "Ada: Cake?")]))
    assert said.split("<|start_header_id|>")[1:] == [
        "system<|end_header_id|>\n\nYou.<|eot_id|>",
        "assistant<|end_header_id|>\n\nAda: Cake?<|eot_id|>",
        "user<|end_header_id|>\n\n",
    ]
    own = run("cpu reddit response_only --dry-run", **{**variables, "BASE_MODEL": inputs["BASE_MODEL"]})
    assert "--chat-template" not in own.command, "a model without its tokens keeps its own"


def test_a_command_ends_with_what_it_is_told_to_end_by(run: Run) -> None:
    launch = importlib.import_module("launch")
    told = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM))
    told.start()
    program = "import os; print(os.environ['A'], flush=True); import time; time.sleep(60)"
    assert launch.played([sys.executable, "-c", program], {"A": "b"}) == 128 + signal.SIGTERM
    told.join()
    assert launch.played([sys.executable, "-c", "raise SystemExit(3)"], {}) == 3
