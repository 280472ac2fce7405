"""`python -m usergym.cli.ng run ...`: the commands where their scripts are not installed."""

import importlib
import sys

from usergym.cli.ng import COMMANDS, MODULES


def main() -> None:
    name = sys.argv[1].removeprefix("ng_") if len(sys.argv) > 1 else ""
    if name not in COMMANDS:
        print(f"error: no command {name!r}; there are {', '.join(COMMANDS)}", file=sys.stderr)
        sys.exit(2)
    del sys.argv[1]
    importlib.import_module(f"usergym.cli.ng.{MODULES.get(name, name)}").main()


main()
