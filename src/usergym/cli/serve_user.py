"""`usergym serve user`: a simulated user as an OpenAI-compatible chat endpoint."""

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from usergym.cli.errors import told_in_one_line
from usergym.cli.models import Models
from usergym.cli.options import Json, ModelOptions, at_least
from usergym.cli.serve import Announcement, token_of
from usergym.data.tasks import read_tasks
from usergym.environments.base import Environment, load
from usergym.models.base import Model
from usergym.types import Seat, Task
from usergym.users import persona as personas
from usergym.users.agenda import AgendaParticipant, Step
from usergym.users.persona import Persona
from usergym.users.prompted import PromptedParticipant
from usergym.users.wording import style

if TYPE_CHECKING:
    from usergym.serving.users import Make

MOST_TASKS = 1000
"""So many of an environment's own tasks are looked through for an id; they may not end."""
SMALL_TALK = 3


@told_in_one_line
def serve_user(
    *,
    persona: str | None = None,
    goal: str = "",
    agenda: Path | None = None,
    env: str | None = None,
    tasks: Path | None = None,
    task: str = "0",
    model: str | None = None,
    judge_model: str | None = None,
    replies: int = 20,
    seed: int = 0,
    host: str = "127.0.0.1",
    port: int = 8001,
    token_variable: str | None = None,
    json: Json = False,
    models: Annotated[ModelOptions, Parameter(name="*", group="Models")] = ModelOptions(),
) -> None:
    """Serve a simulated user, so that any agent framework can talk to it as if it were a model.

    In the messages you send, role user is what your agent said, and assistant what our user said before. Send an empty
    list, and the user speaks first. The reply's field usergym says whether the user is done.

    Examples:

        usergym serve user --persona "a retired nurse who hates jargon" --goal "book a flu shot" --model local/smollm2
        usergym serve user --persona generated:7 --goal "move my dentist appointment"
        usergym serve user --env calendar --task 3

    Parameters
    ----------
    persona
        Who the user is, in words, or generated:SEED for one of ours.
    goal
        What the user is after.
    agenda
        JSON file with a list of steps, {"kind": ..., "params": {...}}, which the user takes in order.
    env
        Play the user of a task of this environment instead: calendar, calendar:until=end.
    tasks
        With --env: file of tasks or rows. Default: the environment's own tasks.
    task
        With --env: which task, by its id, or counted from 0.
    model
        The model that plays the user: PROVIDER/MODEL, http://HOST:PORT/v1/MODEL, or local/smollm2. Default: the
        rule-based user, which needs none.
    judge_model
        With --env: model that judges, in environments that ask one.
    replies
        With --persona: the user leaves after so many messages at the latest.
    seed
        Of the environment's own tasks.
    host
        Address to listen on. One that other machines can reach needs a token.
    port
        Port to listen on; 0 takes a free one.
    token_variable
        Environment variable that holds a token; requests must then bring it: Authorization: Bearer TOKEN.
    """
    at_least(1, replies=replies)
    _check_flags(persona, goal, agenda, env, tasks)
    from usergym.serving.host import Service, check_exposure, run, serve
    from usergym.serving.users import user_app

    token = token_of(token_variable)
    check_exposure(host, token)
    connected = Models(models)
    played = connected.connect(model) if model else None
    if env is not None:
        environment = load(env)
        chosen = task_named(environment, tasks, task, seed)
        judge = connected.connect(judge_model) if judge_model else None
        make = _of_environment(environment, chosen, played, judge)
    elif played is not None:
        make = _of_model(played, _persona(persona), goal, _steps(agenda), replies, models)
    else:
        make = _of_rules(_persona(persona), goal, _steps(agenda), replies)
    service = Service("user", "user", user_app(make), host, port)
    run(serve([service], token=token, announce=Announcement(json), models=connected.all))


def _check_flags(persona: str | None, goal: str, agenda: Path | None, env: str | None, tasks: Path | None) -> None:
    if env is None and persona is None:
        raise ValueError('give --persona "a retired nurse who hates jargon", --persona generated:SEED, or --env NAME')
    if env is not None and (persona or goal or agenda):
        raise ValueError(f"--persona, --goal and --agenda: a task of {env} brings its own; leave them out, or --env")
    if env is None and tasks is not None:
        raise ValueError("--tasks says which rows an environment plays; give --env NAME with it")


def task_named(environment: Environment, path: Path | None, wanted: str, seed: int) -> Task:
    """By number, or by id."""
    stream = read_tasks(path, environment) if path else islice(environment.tasks(seed=seed), MOST_TASKS)
    for number, task in enumerate(stream):
        if wanted == task.id or wanted == str(number):
            return task
    where = path or f"the first {MOST_TASKS} tasks of {environment.name}"
    raise LookupError(f"no task {wanted!r} in {where}; give its id, or its number counted from 0")


def _persona(text: str | None) -> Persona:
    assert text is not None
    kind, colon, seed = text.partition(":")
    if kind != "generated":
        return Persona(professional=text)
    if colon and not seed.isdecimal():
        raise ValueError(f"--persona {text!r}: expected generated:SEED with a whole number")
    return personas.persona(int(seed or 0), 0)


def _steps(path: Path | None) -> list[Step]:
    if path is None:
        return []
    try:
        steps = msgspec.json.decode(path.read_bytes(), type=list[Step])
    except msgspec.DecodeError as error:
        raise ValueError(f'{path}: {error}; expected a list of {{"kind": ..., "params": {{...}}}}') from error
    if not steps:
        raise ValueError(f"{path} holds no steps")
    return steps


def _of_environment(environment: Environment, task: Task, model: Model | None, judge: Model | None) -> "Make":
    from usergym.serving.env_user import EnvironmentUser, check_user

    check_user(environment, task, model)
    services = {"judge": judge} if judge else {}
    return lambda messages, seed: EnvironmentUser(environment, task, model, services, seed)


def _of_model(model: Model, who: Persona, goal: str, steps: list[Step], replies: int, options: ModelOptions) -> "Make":
    from usergym.serving.persona_user import PersonaUser

    sampling = options.sampling()
    if not steps:
        return lambda messages, seed: PersonaUser(
            model, who.text(), goal, sampling=sampling, seed=seed, replies=replies
        )
    seat = Seat(model=model.name, sampling=sampling)
    PromptedParticipant(model, who.text(), steps)  # a faulty agenda is told now
    return lambda messages, seed: PromptedParticipant(model, who.text(), steps, seat=seat, seed=seed)


def _of_rules(who: Persona, goal: str, steps: list[Step], replies: int) -> "Make":
    """Without an agenda the goal is said first, and some small talk of the persona's trade follows."""
    own = [Step("goal", {"say": goal})] if goal else []
    taken = steps or [*own, *[Step("continue_conversation")] * min(SMALL_TALK, replies - len(own))]
    AgendaParticipant("user", taken, who)
    return lambda messages, seed: AgendaParticipant("user", taken, who, style(who, seed), seed)
