"""What `usergym eval users --plan` tells: of whom what would be asked, and how many calls that takes."""

from collections.abc import Sequence

from usergym.cli.eval_users_options import JudgeOptions
from usergym.cli.eval_users_play import Asked
from usergym.cli.eval_users_tables import say
from usergym.cli.models import PLAYED
from usergym.cli.tables import print_json
from usergym.evaluation.users import thought_of
from usergym.evaluation.users_judging import TOGETHER


def show_plan(asked: Asked, judge: JudgeOptions, notes: Sequence[str], as_json: bool) -> None:
    sources = [source for model, source in asked.sources if model.model not in PLAYED]
    each = len(asked.chosen) * asked.repeats
    levels = len(asked.base.levels) if asked.base.separate else 1
    spoken = len(thought_of(asked.base)) + 1
    replies = sum(each * (spoken if source.play == "spoken" else levels) for source in sources)
    groups = each * len(asked.levels)
    told = {
        "folder": str(asked.folder),
        "models": [model.label for model in asked.models],
        "people": len({context.user for context in asked.chosen.values()}),
        "contexts": len(asked.chosen),
        "levels": list(asked.levels),
        "model_calls": replies,
        "judges": ["overlap", *judge.judge_model],
        "judge_calls": len(judge.judge_model) * groups * -(-(len(sources) + 1) // TOGETHER),
        "notes": list(notes),
    }
    if as_json:
        print_json(told)
        return
    del told["notes"]
    for key, value in told.items():
        text = ", ".join(value) if isinstance(value, list) else f"{value:,}" if isinstance(value, int) else value
        say(f"{key}: {text or '-'}")
    for note in notes:
        say(f"note: {note}", "yellow")
