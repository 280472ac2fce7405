"""Evaluation with the documented arguments and variables; `usergym eval` does the same, and more.

Variables: MAX_WORKER_NUM (conversations in flight, 25), USER_MODEL_NAME (plays the users, and judges; the rule-based
ones unless set), OPENAI_API_KEY and OPENAI_BASE_URL (of gpt models and of that model), TOOL_CHOICE (required unless
set), PROJECT_ROOT (its ../data is played where it holds the published files; else tasks of ours are). Searches with
SERPER_API_KEY are an option of the environment: --envs bamboogle:engine=serper.
"""

import argparse
import os
import shutil
from pathlib import Path

import msgspec

from usergym.cli.eval import evaluate
from usergym.cli.models import PLAYED
from usergym.cli.options import ModelOptions, RunOptions
from usergym.evaluation.suite import GROUPS
from usergym.models.providers import PROVIDERS, SAME
from usergym.types import Sampling

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--model_name", default="Qwen2.5-7B-Instruct", help="a gpt model, a served one, or any of ours")
parser.add_argument("--port", type=int, default=8000, help="of the server of a model that is served here")
parser.add_argument("--max_turns", type=int, default=8)
parser.add_argument("--pass_k", type=int, nargs="+", default=[1], help="samples of each task: the largest counts")
parser.add_argument("--temperature", type=float, default=1.0)
parser.add_argument("--envs", nargs="+", default=list(GROUPS["userrl"]))
parser.add_argument("--save_name", default="results")
parser.add_argument("--limit", type=int, help="tasks of each environment")


def main() -> None:
    options = parser.parse_args()
    user = os.environ.get("USER_MODEL_NAME")
    user = f"openai/{user}" if user and not has_provider(user) else user
    data = Path(os.environ.get("PROJECT_ROOT", ".")) / ".." / "data"
    run = RunOptions(out=options.save_name, limit=options.limit, concurrency=int(os.environ.get("MAX_WORKER_NUM", 25)))
    folder = run.folder(options.save_name)
    evaluate(
        envs=tuple(options.envs),
        model=(model_of(options.model_name, options.port),),
        data=data if (data / "function_multiturn").is_dir() else None,
        passes=max(options.pass_k),
        max_replies=options.max_turns,
        user_model=user,
        judge_model=user,
        beside="published",
        run=run,
        models=Chosen(temperature=options.temperature, max_tokens=2048),
    )
    shutil.copy(folder / "metrics.json", f"{folder}_results.json")


class Chosen(ModelOptions):
    """Says whether the agent must call the tool."""

    def sampling(self) -> Sampling:
        return msgspec.structs.replace(super().sampling(), tool_choice=os.environ.get("TOOL_CHOICE", "required"))


def has_provider(name: str) -> bool:
    return name.startswith(("http://", "https://")) or name.partition("/")[0] in (*PROVIDERS, *SAME)


def model_of(name: str, port: int) -> str:
    """A gpt model is OpenAI's; anything else without a provider is served at the port."""
    if has_provider(name) or name in PLAYED:
        return name
    if "gpt" in name and "gpt-oss" not in name:
        return f"openai/{name}"
    return f"http://localhost:{port}/v1/{name}"


if __name__ == "__main__":
    main()
