"""`usergym serve`: an environment, its agent and its model as HTTP servers, in one process."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import App, Parameter

from usergym.cli.errors import told_in_one_line
from usergym.cli.models import Models
from usergym.cli.options import Json, ModelOptions, above_zero, at_least
from usergym.environments.base import load

if TYPE_CHECKING:
    from usergym.models.base import Model
    from usergym.serving.host import Service

serve = App(name="serve", help="Serve environments, agents and models over HTTP, as NeMo Gym does.")
serve.command("usergym.cli.serve_user:serve_user", name="user", help="Serve a simulated user as an OpenAI endpoint.")
serve.command("usergym.cli.serve_mcp:serve_mcp", name="mcp", help="Serve the tools of an environment over MCP.")


@serve.default
@told_in_one_line
def serve_stack(
    *,
    env: Annotated[tuple[str, ...], Parameter(name=["--env", "--envs"], negative="")] = ("calendar",),
    model: str = "local/smollm2",
    name: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    host: str = "127.0.0.1",
    port: int = 11000,
    max_steps: int | None = None,
    max_seconds: float | None = None,
    concurrency: int = 1024,
    sessions: int = 10_000,
    session_ttl: float = 3600.0,
    user_model: str | None = None,
    judge_model: str | None = None,
    token_variable: str | None = None,
    send_seed: bool = True,
    seed: int = 0,
    json: Json = False,
    models: Annotated[ModelOptions, Parameter(name="*", group="Models")] = ModelOptions(),
) -> None:
    """Serve environments, each with a resources server and an agent, and the model that the agents play with.

    One process with a head, a model, and for each environment a resources and an agent server. A client written for
    NeMo Gym finds them through the head. Ctrl-C ends it.

    Examples:

        usergym serve --env calendar --model vllm/Qwen/Qwen3-8B
        usergym serve --env workplace --max-steps 6 --model openai/gpt-4o-mini --port 0 --json

    Parameters
    ----------
    env
        Environment, with options: calendar, calendar:level=hard. May be given several times.
    model
        The agents' model: PROVIDER/MODEL, http://HOST:PORT/v1/MODEL, or local/smollm2.
    name
        Name of the resources server, one for each environment; its agent is NAME_simple_agent. Default: the
        environment's own name.
    host
        Address to listen on. One that other machines can reach needs a token.
    port
        Of the head server; 0 takes a free one. The other servers take free ports, which the head knows.
    max_steps
        Model calls of one conversation; it is graded as it stands then.
    max_seconds
        Wall clock of one conversation; over it is a failure, not a zero.
    concurrency
        Conversations that an agent plays at once; others wait.
    sessions
        Sessions that a resources server keeps.
    session_ttl
        Seconds after which an idle session is forgotten.
    user_model
        Model that plays the user. Default: the rule-based user, or the words of the rows.
    judge_model
        Model that judges, in environments that ask one.
    token_variable
        Environment variable that holds a token; requests must then bring it: Authorization: Bearer TOKEN.
    send_seed
        Send the seed of each draw with each call of the agents' model; some servers refuse that field.
    seed
        Decides draws.
    """
    at_least(1, max_steps=max_steps, concurrency=concurrency, sessions=sessions)
    above_zero(max_seconds=max_seconds, session_ttl=session_ttl)
    if len(name) > len(env):
        raise ValueError(f"{len(name)} names for {len(env)} environments; give at most one --name for each --env")
    from usergym.serving.configured import ConfiguredModel
    from usergym.serving.host import check_exposure
    from usergym.serving.stack import Stack, build, pair

    token = token_of(token_variable)
    check_exposure(host, token)
    connected = Models(models)
    names = (*name, *[""] * len(env))
    pairs = [pair(load(each), called, max_steps=max_steps, spec=each) for each, called in zip(env, names, strict=False)]
    stack = Stack(
        ConfiguredModel(connected.connect(model), send_seed=send_seed),
        host=host,
        head_port=port,
        sampling=models.sampling(),
        user_model=connected.connect(user_model) if user_model else None,
        judge=connected.connect(judge_model) if judge_model else None,
        concurrency=concurrency,
        sessions=sessions,
        ttl=session_ttl,
        max_seconds=max_seconds,
        seed=seed,
    )
    services = build(pairs, stack)
    serve_until_ended(services, token, Announcement(json), connected.all, lambda each: f"--port {each.port + 1}")


def serve_until_ended(
    services: "Sequence[Service]",
    token: str,
    announce: "Announcement",
    models: "Sequence[Model]",
    port_flag: "Callable[[Service], str]",
) -> None:
    """Until Ctrl-C. `port_flag`: how another port is given to a server whose own is taken."""
    from usergym.cli.heads import who_listens
    from usergym.serving.host import Taken, run
    from usergym.serving.host import serve as serve_all

    try:
        run(serve_all(services, token=token, announce=announce, models=models))
    except Taken as taken:
        service = taken.service
        raise OSError(
            f"cannot listen on {service.host}:{service.port} for {service.name!r}: {asyncio.run(who_listens(service))} "
            f"listens there; end it, or give {port_flag(service)} (0: a free one)"
        ) from None


def token_of(variable: str | None) -> str:
    """The token in the environment. ValueError where the variable holds none."""
    if variable is None:
        return ""
    token = os.environ.get(variable, "").strip()
    if not token or not token.isascii() or " " in token:
        raise ValueError(f"{variable} holds no token; set it to one without spaces, or leave out --token-variable")
    return token


class Announcement:
    """Says what listens where, once it does, and how long that took since the process began."""

    def __init__(self, json: bool) -> None:
        self.json = json

    def __call__(self, services: "Sequence[Service]") -> None:
        seconds = since_start()
        if self.json:
            rows = [{"name": each.name, "kind": each.kind, "url": each.url} for each in services]
            print(msgspec.json.encode({"servers": rows, "seconds": round(seconds, 3)}).decode(), flush=True)
            return
        from rich.console import Console
        from rich.table import Table

        table = Table("name", "kind", "url")
        for each in services:
            table.add_row(each.name, each.kind, each.url)
        console = Console()
        console.print(table)
        console.print(f"ready in {seconds:.2f} s (Ctrl-C ends it)")


def since_start() -> float:
    """Seconds since this process began, by the system's account where it keeps one."""
    try:
        with open("/proc/self/stat", encoding="ascii") as stat:
            ticks = int(stat.read().rpartition(")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError, IndexError):
        return time.process_time()
