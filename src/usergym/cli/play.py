"""`usergym play`: sit in one of the two seats yourself."""

import asyncio
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from usergym.cli.errors import told_in_one_line
from usergym.cli.models import Models
from usergym.cli.options import ModelOptions
from usergym.data.tasks import read_tasks
from usergym.environments.base import Environment, World, load
from usergym.rollouts.engine import Cast, begin
from usergym.rollouts.engine import play as play_through
from usergym.types import Seat, Task, Trajectory
from usergym.users.base import Participant
from usergym.users.human import HumanParticipant


@told_in_one_line
def play(
    env: str,
    /,
    *,
    side: Annotated[Literal["assistant", "user"], Parameter(name=["--as", "--side"])] = "assistant",
    model: str = "oracle",
    user_model: str | None = None,
    tasks: Path | None = None,
    number: int = 0,
    seed: int = 0,
    models: Annotated[ModelOptions, Parameter(name="*", group="Models")] = ModelOptions(),
) -> None:
    """Play one conversation at the terminal, and see how it is graded.

    Examples:

        usergym play calendar
        usergym play calendar --as user --model local/smollm2

    Parameters
    ----------
    env
        Environment, with options: calendar, calendar:level=hard.
    side
        Whom you play.
    model
        Who plays the assistant when you are the user: oracle, idle, or a model.
    user_model
        Model that plays the user when you are the assistant. Default: the rule-based user.
    tasks
        File of tasks. Default: the environment's own.
    number
        Which task, counted from 0.
    seed
        Of the environment's own tasks.
    """
    environment = load(env)
    connected = Models(models)
    task = _task(environment, tasks, number, seed)
    if side == "assistant":
        cast = Cast(_you_assist, connected.connect(user_model) if user_model else None)
    else:
        cast = Cast(connected.agent(model), user=_you_ask)
    trajectory = begin(task, 0, seed)
    console = Console()
    console.print(f"[dim]{task.id}; you are the {side}. /help lists commands, /quit ends.[/]")
    if side == "user":
        _brief(console, task)
    try:
        asyncio.run(_play(environment, trajectory, cast, connected))
    except KeyboardInterrupt:
        console.print("\n[dim]left[/]")
        return
    _show(console, trajectory)


def _brief(console: Console, task: Task) -> None:
    """What the user of this task is like and wants."""
    if persona := task.data.get("persona"):
        console.print(f"[dim]you are:[/] {persona if isinstance(persona, str) else persona.get('professional', '')}")
    for place, step in enumerate(task.data.get("steps", ()), 1):
        wants = ", ".join(f"{key}: {value}" for key, value in step["params"].items())
        console.print(f"[dim]{place}.[/] {step['kind'].replace('_', ' ')} [dim]{wants}[/]")


async def _play(environment: Environment, trajectory: Trajectory, cast: Cast, connected: Models) -> None:
    try:
        await play_through(environment, trajectory, cast)
    finally:
        for model in connected.all:
            await model.close()


def _task(environment: Environment, tasks: Path | None, number: int, seed: int) -> Task:
    stream: Iterator[Task] = read_tasks(tasks, environment) if tasks else environment.tasks(seed=seed)
    for task in islice(stream, number, None):
        return task
    raise ValueError(f"{tasks} has no task number {number}; they are counted from 0")


def _you_assist(world: World, seed: int) -> Participant:
    tools = world.tools("assistant")
    return HumanParticipant("assistant", Seat(world.system, tuple(tool.name for tool in tools), "human"), tools)


def _you_ask(world: World, seed: int) -> Participant:
    tools = world.tools("user")
    return HumanParticipant("user", Seat("", tuple(tool.name for tool in tools), "human"), tools)


def _show(console: Console, trajectory: Trajectory) -> None:
    if trajectory.error:
        console.print(f"[red]failed ({trajectory.error.kind}):[/] {trajectory.error.message}")
        return
    last = next((turn for turn in reversed(trajectory.turns) if turn.speaker == "assistant"), None)
    if last and trajectory.stop == "length":
        console.print(f"[dim]the assistant, cut off:[/] {last.message.content}")
    console.print()
    table = Table("reward", "value", "turn", "reason", title=f"ended by {trajectory.stop}")
    for reward in trajectory.rewards:
        value = "not scored" if reward.value is None else f"{reward.value:g}"
        table.add_row(reward.name, value, "" if reward.turn is None else str(reward.turn), reward.reason)
    console.print(table)
