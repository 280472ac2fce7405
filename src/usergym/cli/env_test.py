"""`usergym test-env`: whether an environment keeps its promises."""

from rich.console import Console
from rich.table import Table

from usergym.cli.errors import told_in_one_line
from usergym.cli.options import Json
from usergym.environments.base import load, names


@told_in_one_line
def env_test(*name: str, json: Json = False) -> int:
    """Check that an environment keeps its promises: the oracle earns the maximum, idle play never earns, the same seed
    gives the same conversation, nothing hidden reaches the agent, and so on.

    Examples:

        usergym test-env calendar
        usergym test-env calendar:level=hard mypackage.myenvironment

    Parameters
    ----------
    name
        Environments, with options; your own by their dotted paths. Default: all of the package.
    json
        Print JSON instead of tables.
    """
    return run(name, json)


def run(environments: tuple[str, ...], json: bool) -> int:
    """Checks them; the exit status."""
    from usergym.cli.tables import print_json
    from usergym.evaluation.conformance import checks

    console = Console()
    found: dict[str, list[dict[str, object]]] = {}
    failed = 0
    for name in environments or tuple(names()):
        environment = load(name)
        rows = found[name] = []
        table = Table("", "promise", "where it was broken", title=name)
        for check in checks(environment):
            failed += not check.passed
            rows.append({"name": check.name, "passed": check.passed, "detail": check.detail})
            table.add_row("[green]kept[/]" if check.passed else "[red]broken[/]", check.name, check.detail[:300])
        if not json:
            console.print(table)
    if json:
        print_json(found)
    else:
        total = sum(map(len, found.values()))
        console.print(f"{total - failed} of {total} promises kept by {', '.join(found)}")
    return 1 if failed else 0
