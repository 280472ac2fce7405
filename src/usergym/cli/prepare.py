"""`usergym prepare`: a command for each source, imported only when it is called."""

import sys

from cyclopts import App, Parameter

SOURCES = {
    "tldr": ("prepare_prompts:tldr", "Prompts: posts to summarise (openai/summarize_from_feedback)."),
    "helpsteer": ("prepare_prompts:helpsteer", "Prompts of many kinds (nvidia/HelpSteer2)."),
    "wildfeedback": (
        "prepare_tuples:wildfeedback",
        "Tuples (x, y, o) of chats with feedback (microsoft/WildFeedback).",
    ),
    "wildchat": ("prepare_tuples:wildchat", "Tuples (x, y, o) of a sample of English chats (allenai/WildChat)."),
    "users": ("prepare_users:users", "Threads, personas and what people wrote next: rows for a simulated user."),
    "log": ("prepare_tuples:log", "Tuples (x, y, o) of any chat log, or of a run."),
}

prepare = App(
    name="prepare",
    help="Write prompts, tuples of context, reply and reaction, or rows of people, from public data or your own logs.",
    default_parameter=Parameter(negative_iterable=()),
)
for name, (place, line) in SOURCES.items():
    # The one that is called explains itself by its docstring; the others are not imported for their line here.
    prepare.command(f"usergym.cli.{place}", name=name, help=None if sys.argv[2:3] == [name] else line)
