"""`usergym envs`: which environments there are, what one of them is; and verbs about environments."""

import inspect

from cyclopts import App
from rich.console import Console
from rich.table import Table

from usergym.cli.errors import told_in_one_line
from usergym.cli.options import Json
from usergym.environments.base import load, names

envs = App(name="envs", help="List environments, or show one; write, check and merge.")
envs.command("usergym.cli.envs_new:envs_new", name="new", help="Write an environment of your own, with its test.")
envs.command("usergym.cli.envs_check:envs_check", name="check", help="Check promises, and that splits share nothing.")
envs.command("usergym.cli.envs_merge:envs_merge", name="merge", help="Merge tasks of several environments, with caps.")


@envs.default
@told_in_one_line
def show_envs(name: str | None = None, /, *, json: Json = False) -> None:
    """List environments, or show one with its options and its first task.

    Parameters
    ----------
    name
        An environment.
    json
        Print JSON instead of a table.
    """
    import msgspec

    console = Console()
    if name is None:
        found = {each: _line(type(load(each)).__doc__) for each in names()}
        if json:
            print(msgspec.json.encode(found).decode())
            return
        table = Table("environment", "what it is")
        for each, line in found.items():
            table.add_row(each, line)
        console.print(table)
        return
    environment = load(name)
    task = next(environment.tasks())
    world = environment.start(task)
    options = {key: p.default for key, p in inspect.signature(type(environment)).parameters.items()}
    tools = [tool.name for tool in world.tools("assistant")]
    if json:
        shown = {"name": name, "options": options, "tools": tools, "task": task}
        print(msgspec.json.encode(shown).decode())
        return
    console.print(inspect.cleandoc(type(environment).__doc__ or ""))
    table = Table("option", "default")
    for option, default in options.items():
        table.add_row(option, repr(default))
    console.print(table)
    console.print("tools:", ", ".join(tools) or "none")
    console.print(f"first task: {task.id}")
    console.print(world.system, style="dim")


def _line(text: str | None) -> str:
    return " ".join((text or "").strip().split("\n\n")[0].split())
