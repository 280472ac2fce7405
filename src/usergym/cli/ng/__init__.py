"""The `ng_` commands of NeMo Gym: each a thin translation to a verb of `usergym`."""

COMMANDS = {
    "run": "Start the servers of a configuration: head, model, resources, agent.",
    "collect_rollouts": "Send rows to an agent and write what comes back, with its reward.",
    "viewer": "Look at rollouts: a listing, or one whole conversation.",
    "test": "Check that an environment keeps its promises.",
    "status": "Show which servers run, and whether they are well.",
    "dump_config": "Print a configuration as it is resolved, secrets masked.",
    "help": "List the commands with their parameters.",
    "version": "Print the versions of this package, of Python and of what it depends on.",
}
"""What stands behind `ng_`, and what it does."""

MODULES = {"collect_rollouts": "collect", "dump_config": "dump"}
"""Modules of this package that are called otherwise than their command."""
