"""`usergym status`: which servers run, and whether they are well."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from usergym.cli.errors import told_in_one_line
from usergym.cli.heads import Instance, NoHead, get, instances, token_headers
from usergym.cli.options import Json


@dataclass(frozen=True, slots=True)
class Server:
    """One row."""

    name: str
    kind: str
    url: str
    port: int | None
    pid: int | None
    uptime: float | None
    healthy: bool


@told_in_one_line
def status(*, head: str = "http://127.0.0.1:11000", json: Json = False) -> int:
    """Show which servers run: name, kind, address, process, uptime, and whether each answers.

    Parameters
    ----------
    head
        URL of the head server.
    json
        Print JSON instead of a table.
    """
    return run(head, json)


def run(head: str, json: bool) -> int:
    """Asks the head and every server; the exit status: 1 when one does not answer."""
    from usergym.cli.tables import print_json

    servers = asyncio.run(_servers(head, token_headers()))
    if json:
        print_json(servers)
    else:
        Console().print(_table(servers))
    return 0 if all(each.healthy for each in servers) else 1


def _table(servers: Sequence[Server]) -> Table:
    """Process and uptime once where they are the same, as they are where one process holds all."""
    pids = {each.pid for each in servers}
    table = Table()
    table.add_column("name", overflow="fold")
    for name in ("kind", "port", *(("process", "uptime") if len(pids) > 1 else ()), "health"):
        table.add_column(name, no_wrap=True)
    for each in servers:
        own = (str(each.pid or "-"), _up(each)) if len(pids) > 1 else ()
        health = "[green]well[/]" if each.healthy else "[red]does not answer[/]"
        table.add_row(Text(each.name), Text(each.kind), str(each.port or "-"), *own, health)
    if len(pids) == 1 and servers[0].pid:
        table.caption = f"process {servers[0].pid}, up {_up(servers[0])}"
    return table


def _up(server: Server) -> str:
    return "-" if server.uptime is None else _span(server.uptime)


async def _servers(head: str, headers: Mapping[str, str]) -> list[Server]:
    found = await instances(head, headers)
    here = Instance(config_path="head_server", server_type="head", url=head.rstrip("/"), pid=_pid(found))
    here.start_time = min((each.start_time for each in found if each.start_time), default=None)
    everyone = [here, *found]
    healthy = await asyncio.gather(*(_answers(each.address, headers) for each in everyone))
    return [
        Server(
            each.name,
            each.kind,
            each.address,
            each.port or _port(each.address),
            each.pid,
            max(0.0, time.time() - each.start_time) if each.start_time else None,
            well,
        )
        for each, well in zip(everyone, healthy, strict=True)
    ]


def _pid(found: list[Instance]) -> int | None:
    """Of the head: that of the others, where one process holds them all."""
    pids = {each.pid for each in found}
    return pids.pop() if len(pids) == 1 else None


def _port(url: str) -> int | None:
    last = url.rpartition(":")[2]
    return int(last) if last.isdigit() else None


async def _answers(url: str, headers: Mapping[str, str]) -> bool:
    try:
        await get(f"{url}/", headers)
    except NoHead:
        return False
    return True


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
