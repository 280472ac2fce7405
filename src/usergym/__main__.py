"""`python -m usergym` is `usergym`."""

from usergym.cli import main

main()
