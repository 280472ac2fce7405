"""`usergym train`: a command for each way of training, imported only when it is called."""

import sys

from cyclopts import App, Parameter

WAYS = {
    "sft": ("train_sft:sft", "Supervised fine-tuning on conversations, for either speaker."),
    "cold-start": (
        "train_cold_start:cold_start",
        "Play with a teacher or oracle, keep the best conversations, and fine-tune on them.",
    ),
    "grpo": ("train_grpo:grpo", "Multi-turn GRPO in one or more environments."),
    "users": ("train_users:users", "Simulated users: states and words, judged by what people really wrote."),
    "both": ("train_both:both", "Agent and simulated user in turns, with an alarm for drift."),
    "sdpo": ("train_sdpo:sdpo", "Learning from how users react, online or from recorded conversations."),
}

train = App(
    name="train",
    help="Train a model on conversations. What it came to is in runs/NAME/model.",
    default_parameter=Parameter(negative_iterable=()),
)
for name, (place, line) in WAYS.items():
    # The way that is called explains itself by its docstring; the others are not imported for their line here.
    train.command(f"usergym.cli.{place}", name=name, help=None if sys.argv[2:3] == [name] else line)
