"""The command line: one file per verb, imported only when it is called."""

import sys

VERBS = {
    "demo": "Run the main job on the embedded default: generate, roll out, grade, export, report.",
    "generate": "Generate persona-driven conversations (calendar, or your own domain file).",
    "rollout": "Play conversations with the agent under test and grade them.",
    "prepare": "Make prompts and tuples (x, y, o) from public data, or from any chat log.",
    "population": "Write a synthetic population whose thoughts are known.",
    "study": "Have people compare, blind, how well simulated users write as a person.",
    "styles": "List the tastes that a simulated user can have, or score a text by them.",
    "train": "Train a model: SFT, cold start from a teacher, multi-turn GRPO, SDPO from reactions, simulated users.",
    "credit": "Show which turn of a recorded conversation gets how much credit.",
    "signal": "Show what a reaction says of each token of a reply.",
    "eval": "Evaluate models over several environments, or compare two such runs.",
    "collect": "Collect rollouts from an agent that is served over HTTP.",
    "export": "Write training files from rollouts: train and validation, SFT, ShareGPT, DPO.",
    "convert": "Convert between interchange formats.",
    "check": "Validate existing data: fields, windows, overlaps, constraints.",
    "regrade": "Grade recorded conversations again, without a model call.",
    "report": "Write one HTML page about one or more runs.",
    "play": "Play a conversation yourself, on either side.",
    "view": "List the rollouts of a file, or read one.",
    "serve": "Serve environments, agents, models, users or tools over HTTP.",
    "status": "Show which servers run, and whether they are well.",
    "mock-llm": "Serve a mock OpenAI-compatible endpoint for tests, benchmarks and dry runs.",
    "envs": "List environments, or show one.",
    "test-env": "Check an environment against the rules that all of them keep.",
}


MODULES = {"test-env": "env_test"}
"""Where a verb's module and function are not called as the verb."""


def main() -> None:
    if "" not in sys.path:
        sys.path.insert(0, "")  # environments of one's own stand in the current folder
    from cyclopts import App

    from usergym import __version__

    app = App(
        name="usergym",
        help="Train and evaluate language-model agents with simulated users.\n\n"
        "Start with: usergym demo. Every verb explains itself: usergym VERB --help.",
        version=__version__,
        help_format="markdown" if sys.argv[1:2] and sys.argv[1] in VERBS else "plaintext",
    )
    for verb, help_text in VERBS.items():
        module = MODULES.get(verb, verb.replace("-", "_"))
        # The verb that is called explains itself by its docstring; the others are not imported for their line here.
        line = None if sys.argv[1:2] == [verb] else help_text
        app.command(f"usergym.cli.{module}:{module}", name=verb, help=line)
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except ValueError as error:  # of options that are made from flags; a verb tells its own
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(141)
