"""`usergym train users`: a simulated user is trained to think and speak as given people do."""

from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import Group, Parameter

from usergym.cli.casting import CastOptions
from usergym.cli.errors import told_in_one_line
from usergym.cli.models import Models
from usergym.cli.options import Json, ReachOptions, run_folder
from usergym.cli.tables import show_skipped, told_left_out
from usergym.cli.train_grpo import say, show_plan, to_its_end
from usergym.cli.train_users_plan import planned, told
from usergym.environments.people.gym import People
from usergym.environments.people.rows import ALL
from usergym.training.courses import Course
from usergym.training.frozen import Frozen
from usergym.training.record import is_main
from usergym.training.users_config import UsersConfig
from usergym.types import Task
from usergym.users.states.prompting import room
from usergym.users.states.speaking import Speech, read_speech
from usergym.users.states.spec import LAST

LEARNED, JUDGES = Group("Who is learned", sort_key=1), Group("Who judges", sort_key=2)
"""What is peculiar to this verb stands before what all training shares."""


@dataclass
class PeopleOptions:
    """Who is learned, and how."""

    config: Annotated[str, Parameter(name=["--mode", "--config"])] = "separate_system_prompt"
    """How states are written and learned: response_only, separate_generation, separate_reward, separate_system_prompt
    and the others of docs/states.md."""
    hierarchy: str = ""
    """The levels: a shipped hierarchy or a JSON file. Default: that of the mode."""
    levels: str = ""
    """Train these levels only, a+b."""
    people: int = 300
    """Without data: so many people of the synthetic population."""
    posts: int = 60
    """Without data: so many posts they write about."""
    population_seed: int = 0
    """Without data: which population."""
    persona: Literal["own", "shuffled", "none"] = "own"
    """The persona a person is told: their own, or for a control another's or none."""
    thinking: int = 512
    """Tokens of free thought before a reply, in modes that think."""
    prefixes: Path | None = None
    """Begin with these states: prefixes.json of a checkpoint, in modes that build on the best so far."""


@dataclass
class JudgeOptions(CastOptions):
    """Who judges. Nobody plays beside a person: each is asked for one reply."""

    user_model: Annotated[str | None, Parameter(show=False)] = None
    user_temperature: Annotated[float | None, Parameter(show=False)] = None
    agent_model: Annotated[str | None, Parameter(show=False)] = None
    max_replies: Annotated[int | None, Parameter(show=False)] = None
    judge_model: str | None = None
    """Model that judges, in place of the overlap of words: PROVIDER/MODEL, http://HOST:PORT/v1/MODEL, local/smollm2, or
    frozen: the policy as it was at the start."""
    max_seconds: float | None = None
    """Wall clock of one reply; over it is a failure, left out, not a zero."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("user_model", "user_temperature", "agent_model", "max_replies"):
            if (value := getattr(self, name)) is not None:
                raise ValueError(
                    f"--{name.replace('_', '-')} {value} is about a conversation, and a person is asked for one reply "
                    "here, with nobody beside; leave it out"
                )


@told_in_one_line
def users(
    data: Path | None = None,
    /,
    *,
    who: Annotated[PeopleOptions, Parameter(name="*", group=LEARNED)] = PeopleOptions(),
    seats: Annotated[JudgeOptions, Parameter(name="*", group=JUDGES)] = JudgeOptions(),
    config: Annotated[UsersConfig, Parameter(name="*", group="Training")],
    models: Annotated[ReachOptions, Parameter(name="*", group="Models")] = ReachOptions(),
    resume: Annotated[bool, Parameter(negative="--fresh")] = True,
    dry_run: Annotated[bool, Parameter(name=["--dry-run", "--plan"], negative="")] = False,
    json: Json = False,
) -> int | None:
    """Train a simulated user: latent states first (stance, emotion, belief, value, goal, communication), then what is
    said, each judged against what the person really wrote.

    GRPO in the environment `people`, on files of `usergym prepare users` or, without any, on a synthetic population
    whose states are known. Without --judge-model the exact overlap of words judges; with one, it sees all replies of a
    group at once, in random order, a decoy among them. What is trained speaks anywhere: --user-model RUN.

    Examples:

        usergym train users --model runs/taught/model --out person
        usergym train users data/rl/sebvgcr --model Qwen/Qwen3-8B --lora --judge-model openai/gpt-5-mini
        usergym train users --mode separate_generation --model runs/taught/model --steps 200
        usergym train users --mode response_only --persona shuffled --model runs/taught/model

    Parameters
    ----------
    data
        A file or folder of `usergym prepare users`, or raw rows.
    resume
        Go on where the run stopped, or start over.
    dry_run
        Print the settings as they were understood, check all that can be checked, and stop before any compute.
    json
        Print one JSON object at the end.
    """
    people = people_of(who, data, seats.judge_model is not None, config.prompts)
    if not people.mode.trains:
        raise ValueError(f"--mode {who.config} evaluates and does not train; try `usergym eval users`, or another mode")
    out = run_folder(str(config.out), "users")
    config = replace(config, out=out, max_tokens=min(config.max_tokens, longest(people)))
    people.key_points = str(out / "key_points.jsonl")
    begin_with(people, who.prefixes)
    course = Course("people", people, partial(people.tasks, "train", config.seed), validation(people, config))
    connected = Models(models)
    frozen = Frozen(config.model, config.chat_template, config.max_tokens)
    cast = seats.cast(connected, frozen)
    if people.skipped and is_main():
        show_skipped(people.skipped, as_json=True)
    if dry_run:
        plan = planned(people, data, seats.judge_model)
        show_plan(config, [course], cast, json, f"users, {people.mode.name}", (), told(plan), {"people": plan})
        return None
    from usergym.training.grpo_checks import check
    from usergym.training.users_run import train

    check(config, [course], cast)
    asked = {name: value for name, value in vars(who).items() if value is not None}
    identity = {**seats.told(models), "people": {**asked, "data": str(data) if data else None, **known(people)}}
    run = partial(train, config, course, cast, [frozen, *connected.all], identity=identity, resume=resume, say=say)
    status = to_its_end(run, out, json)
    if people.skipped and is_main() and not json:
        say(told_left_out(people.skipped))
    if status == 0 and is_main() and read_speech(out / "model") is None:  # a finished run stays as it is
        speech_of(people).save(out / "model")
    return status


def people_of(who: PeopleOptions, data: Path | None, judged: bool, block: int) -> People:
    return People(
        config=who.config,
        hierarchy=who.hierarchy,
        levels=who.levels,
        data=str(data) if data else "",
        people=who.people,
        posts=who.posts,
        population_seed=who.population_seed,
        persona=who.persona,
        judge="model" if judged else "overlap",
        block=block,
        thinking=who.thinking,
    )


def known(people: People) -> dict[str, Any]:
    """What must be the same on resume, though its file may have changed: what levels say and what is learned from."""
    levels = {level.name: msgspec.to_builtins(level) for level in people.hierarchy.levels}
    return {
        "states": {"order": people.hierarchy.names, **levels},
        "rows": {"count": len(people.contexts), "digest": people.rows_digest},
    }


def begin_with(people: People, prefixes: Path | None) -> None:
    """ValueError for a file of no prefixes, or where nothing would be built on them. A checkpoint's own replace
    them."""
    if prefixes is None:
        return
    if not people.builds:
        raise ValueError(f"--prefixes {prefixes}: {people.mode.name} builds on none; try --mode separate_generation")
    people.begin_with(prefixes)


def longest(people: People) -> int:
    """Tokens of the longest reply that any level may have."""
    asked = people.levels if people.mode.separate else (None,)
    thinks = (people.thinking if people.mode.thinks(level or LAST) else 0 for level in asked)
    return max(room(people.hierarchy, level, thinking=most) for level, most in zip(asked, thinks, strict=True))


def validation(people: People, config: UsersConfig) -> list[Task]:
    """What held-out people are asked for is what they said; states are a way to it."""
    if not config.validation:
        return []
    said = (task for task in people.tasks("validation", config.seed) if task.data["level"] in (LAST, ALL))
    return list(islice(said, config.validation))


def speech_of(people: People) -> Speech:
    """How the trained user speaks: states before the words where it learned them."""
    mode = people.mode
    return Speech(
        people.hierarchy,
        states=mode.conditioned or people.hierarchy.names != (LAST,),
        shared=mode.separate and not mode.own_prompts,
        thinking=tuple(level for level in people.levels if mode.thinks(level)),
    )
