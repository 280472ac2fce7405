"""`ng_collect_rollouts`: rows to an agent, rollouts into a file."""

import os
from pathlib import Path
from typing import Annotated, Any

import msgspec

from usergym.cli.ng.command import TOKEN, Command, Head, says
from usergym.cli.ng.overrides import Override
from usergym.serving.masking import masked

_Count = Annotated[int, msgspec.Meta(ge=1)]


def about(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text)


class Collect(msgspec.Struct, forbid_unknown_fields=True):
    """The parameters."""

    input_jsonl_fpath: Annotated[str, about("The rows.")]
    output_jsonl_fpath: Annotated[str, about("The file of rollouts; it is gone on with where it stopped.")]
    agent_name: Annotated[
        str | None, about("The agent of rows that name none in agent_ref. Default: the only one that runs.")
    ] = None
    limit: Annotated[_Count | None, about("The first so many rows.")] = None
    num_repeats: Annotated[_Count, about("Rollouts of each row: abc becomes aabbcc.")] = 1
    num_repeats_add_seed: Annotated[bool, about("Send a seed with the calls of each repeat: its index.")] = False
    num_samples_in_parallel: Annotated[_Count, about("Rollouts in flight.")] = 64
    responses_create_params: Annotated[
        dict[str, Any], about("Over those of every row: {temperature: 0.7, max_output_tokens: 2048}.")
    ] = {}
    skip_bad: Annotated[bool, about("Leave out rows that cannot be sent, instead of ending before the first.")] = False
    fresh: Annotated[bool, about("Start the output over.")] = False
    resume_from_cache: Annotated[bool | None, about("As NeMo Gym calls it: false is fresh=true.")] = None
    seconds: Annotated[float, msgspec.Meta(gt=0, description="One rollout may take so long, with its retries.")] = (
        1800.0
    )
    max_attempts: Annotated[_Count, about("How often a rollout that failed is taken up by later calls.")] = 3
    head_server: Annotated[Head, about("Where ng_run listens.")] = Head()
    agent_url: Annotated[str | None, about("URL of an agent server, where there is no head.")] = None
    json: Annotated[bool, about("Print one JSON object.")] = False


def collect(parameters: Collect, overrides: list[Override]) -> int:
    from usergym.cli.collect import Collected, run
    from usergym.data.rollout_inputs import Asked

    says(_verb(parameters))
    p = parameters
    return run(
        Collected(
            Asked(
                Path(p.input_jsonl_fpath),
                p.limit,
                p.num_repeats,
                p.num_repeats_add_seed,
                p.responses_create_params,
                p.skip_bad,
            ),
            Path(p.output_jsonl_fpath),
            p.head_server.url,
            p.agent_name,
            p.agent_url,
            p.num_samples_in_parallel,
            p.seconds,
            p.max_attempts,
            p.fresh or p.resume_from_cache is False,
            os.environ.get("USERGYM_TOKEN", ""),
            p.json,
        )
    )


def _verb(p: Collect) -> str:
    import shlex

    words = ["usergym", "collect", p.input_jsonl_fpath, "--output", p.output_jsonl_fpath]
    given = {
        "--agent": p.agent_name,
        "--limit": p.limit,
        "--repeats": p.num_repeats if p.num_repeats != 1 else None,
        "--concurrency": p.num_samples_in_parallel if p.num_samples_in_parallel != 64 else None,
        "--params": msgspec.json.encode(masked(p.responses_create_params)).decode()
        if p.responses_create_params
        else None,
        "--head": p.head_server.url if p.head_server != Head() else None,
        "--agent-url": p.agent_url,
    }
    for flag, value in given.items():
        words += [flag, str(value)] if value is not None else []
    flags = {"--add-seed": p.num_repeats_add_seed, "--skip-bad": p.skip_bad, "--fresh": p.fresh, "--json": p.json}
    return shlex.join(words + [flag for flag, value in flags.items() if value])


COMMAND = Command(
    "ng_collect_rollouts",
    "Sends rows to an agent, and writes what comes back with its reward. Every row is checked before the first is\n"
    "sent; one that fails is a line in <output>_failures.jsonl, and the same command takes it up again.",
    Collect,
    collect,
    (
        "ng_collect_rollouts +agent_name=workplace_assistant_simple_agent \\",
        "  +input_jsonl_fpath=train.jsonl +output_jsonl_fpath=rollouts.jsonl \\",
        "  +num_repeats=4 '+responses_create_params={temperature: 0.7}'",
    ),
    variables={"USERGYM_TOKEN": TOKEN},
)


def main() -> None:
    COMMAND.main()
