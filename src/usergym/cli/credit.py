"""`usergym credit explain`: which turn of a recorded conversation gets how much credit, and why."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import App, Parameter

from usergym.cli.credit_groups import read, settle
from usergym.cli.credit_tables import show, show_json
from usergym.cli.errors import told_in_one_line
from usergym.cli.options import Json, at_least
from usergym.training.credit import Method, Preset, TrajectoryScoreMethod, TurnLevelMethod

credit = App(name="credit", help="Show which turn of a recorded conversation gets how much credit.")


@credit.command
@told_in_one_line
def explain(
    run: Path,
    /,
    *,
    task: str | None = None,
    limit: int = 5,
    speaker: Literal["assistant", "user"] = "assistant",
    turn_level_method: TurnLevelMethod | None = None,
    trajectory_score_method: TrajectoryScoreMethod | None = None,
    gamma: float | None = None,
    normalize_by_std: Annotated[bool, Parameter(negative="")] = False,
    preset: Preset | None = None,
    compare: Annotated[tuple[Preset, ...], Parameter(negative="", consume_multiple=True)] = (),
    json: Json = False,
) -> None:
    """Show the credit of every turn of recorded conversations, as a trainer would give it: of a training run, with its
    settings unless others are given.

    A group is the samples of one task. Conversations that failed or were not scored are shown with the reason: they
    have no credit, and no baseline knows of them. Needs no torch.

    Examples:

        usergym credit explain runs/function-oracle
        usergym credit explain runs/NAME --compare userrl paper --gamma 0.8
        usergym credit explain runs/NAME/trajectories.jsonl --task function/12 --speaker user --json

    Parameters
    ----------
    run
        A run folder (a bare name means runs/NAME), or a trajectories.jsonl.
    task
        Only the samples of this task.
    limit
        The first so many tasks.
    speaker
        Whose turns.
    turn_level_method
        Equalized: every turn alike. R2G (the default): by what was earned from the turn on. EM: by the turn's own
        reward.
    trajectory_score_method
        Sum (the default), Mean, or R2G, the discounted sum. R2G turns of usergym and conservative always take the
        discounted sum.
    gamma
        Discount from turn to turn. Default: 1.
    normalize_by_std
        Divide by the standard deviation of the group's scores.
    preset
        Default: usergym. Also conservative, turnwise, userrl, paper or grpo; docs/credit.md tells what they compute.
    compare
        More presets, one column each.
    json
        Print one JSON object instead of tables.
    """
    at_least(1, limit=limit)
    path, groups, total = read(run, speaker, task, limit)
    trained = credit_of(path.parent)
    told = {
        "turn_level_method": turn_level_method,
        "trajectory_score_method": trajectory_score_method,
        "gamma": gamma,
        "normalize_by_std": normalize_by_std or None,
        "preset": preset,
    }
    chosen = {**trained, **{key: value for key, value in told.items() if value is not None}}
    main = Method(
        chosen.get("turn_level_method", "R2G"),
        chosen.get("trajectory_score_method", "Sum"),
        chosen.get("gamma", 1.0),
        chosen.get("normalize_by_std", False),
        chosen.get("preset", "usergym"),
    )
    presets = tuple(dict.fromkeys((main.preset, *compare)))
    for each in presets:
        method = replace(main, preset=each)
        for group in groups:
            settle(group, method)
    (show_json if json else show)(path, groups, total, presets, speaker)


def credit_of(folder: Path) -> dict[str, Any]:
    """The settings of credit with which a run was trained; none where it is no such run."""
    try:
        config = msgspec.json.decode((folder / "config.json").read_bytes())
        found = config["identity"]["grpo"]["credit"]
    except (OSError, msgspec.MsgspecError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}
