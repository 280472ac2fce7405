"""`usergym serve mcp`: the tools of an environment over the Model Context Protocol."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from usergym.cli.errors import told_in_one_line
from usergym.cli.models import Models
from usergym.cli.options import Json, ModelOptions
from usergym.cli.serve import Announcement, token_of
from usergym.cli.serve_user import task_named
from usergym.environments.base import load


@told_in_one_line
def serve_mcp(
    *,
    env: str = "workplace",
    tasks: Path | None = None,
    task: str | None = None,
    stdio: Annotated[bool, Parameter(negative="")] = False,
    user_model: str | None = None,
    judge_model: str | None = None,
    seed: int = 0,
    host: str = "127.0.0.1",
    port: int = 8002,
    token_variable: str | None = None,
    json: Json = False,
    models: Annotated[ModelOptions, Parameter(name="*", group="Models")] = ModelOptions(),
) -> None:
    """Serve the tools of an environment over MCP, each session in a world of its own.

    Streamable HTTP at http://HOST:PORT/mcp, or standard input and output with --stdio. What the task asks is the
    prompt task and the resource usergym://task. Nothing is graded here.

    Examples:

        usergym serve mcp --env workplace
        usergym serve mcp --env workplace --tasks rows.jsonl --task 3 --stdio

    Parameters
    ----------
    env
        Environment, with options. Its agent must have tools.
    tasks
        File of tasks or rows. Default: the environment's own tasks.
    task
        Which task, by its id, or counted from 0. Default: the world as it is before anything is asked, in
        environments that have one, else the first task.
    stdio
        Serve the one client at standard input and output, which starts this command itself.
    user_model
        Model that plays the user. Default: the rule-based user.
    judge_model
        Model that judges, in environments that ask one.
    seed
        Of the environment's own tasks.
    host
        Address to listen on. One that other machines can reach needs a token.
    port
        Port to listen on; 0 takes a free one.
    token_variable
        Environment variable that holds a token; requests must then bring it: Authorization: Bearer TOKEN.
    """
    try:
        from usergym.serving.mcp import mcp_app, serve_stdio, worlds_of
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] not in ("mcp", "mcp_types"):
            raise
        raise LookupError("the package mcp is not installed: pip install 'usergym[mcp]'") from None
    from usergym.serving.host import Service, check_exposure, run, serve
    from usergym.serving.resources import blank_task

    token = token_of(token_variable)
    check_exposure(host, token)
    environment = load(env)
    chosen = blank_task(environment) if task is None and tasks is None else None
    connected = Models(models)
    worlds = worlds_of(
        environment,
        chosen or task_named(environment, tasks, task or "0", seed),
        connected.user(user_model),
        connected.services(judge_model),
    )
    if stdio:
        run(serve_stdio(worlds, environment.name, connected.all))
        return
    service = Service(environment.name, "mcp", mcp_app(worlds, environment.name, host), host, port)
    run(serve([service], token=token, announce=Announcement(json), models=connected.all))
