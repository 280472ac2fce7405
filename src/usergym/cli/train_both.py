"""`usergym train both`: agent and simulated user trained in turns, with users that stay as they were as the alarm."""

import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.table import Table

from usergym.cli.errors import told_in_one_line
from usergym.cli.options import Json, at_least, run_folder
from usergym.cli.running import console
from usergym.cli.tables import console as tables
from usergym.cli.tables import print_json
from usergym.evaluation.drift import Round, Standing, judged, played, standing
from usergym.evaluation.statistics import Estimate

RULES = "rules"
"""As a user's name: the environment's own, which needs no model."""


@told_in_one_line
def both(
    *,
    env: Annotated[str, Parameter(name=["--env", "--envs"])],
    agent: str,
    user: str,
    data: Path | None = None,
    out: Path = Path("runs/both"),
    rounds: int = 3,
    agent_steps: int = 20,
    user_steps: int = 20,
    frozen_users: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")] = (RULES,),
    tasks: int = 32,
    max_replies: int | None = None,
    max_tokens: int | None = None,
    agent_flags: Annotated[str, Parameter(allow_leading_hyphen=True)] = "",
    user_flags: Annotated[str, Parameter(allow_leading_hyphen=True)] = "",
    stop_on_drift: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> int | None:
    """Train an agent and the user it talks to in turns: `train grpo` against the user as it is now, then `train users`
    on what real people wrote, which keeps the user a person.

    After every round the agent plays held-out tasks with its own user and with users that were never trained. Where it
    gets better with its own user only, the two have drifted together: that is said, and with --stop-on-drift ends the
    run. Every stage is a run folder of its own in --out; the same command goes on where it stopped.

    Examples:

        usergym train both --env intention --agent runs/cold/model --user runs/users/person --rounds 3
        usergym train both --env persuasion --agent runs/cold --user runs/person --frozen-users rules runs/person \\
            --agent-flags "--prompts 8 --lora" --user-flags "--prompts 8 --lora" --stop-on-drift

    Parameters
    ----------
    env
        Where they meet.
    agent
        The agent's model: a folder or a training run.
    user
        The user's model: a run of `usergym train users`, or any folder of a model.
    data
        People for the user to learn, of `usergym prepare users`; the synthetic population unless given.
    out
        Folder of all stages; a bare name means runs/NAME.
    rounds
        How often both are trained.
    agent_steps
        Of GRPO, each round.
    user_steps
        Of training on people, each round; 0: the user stays as it is.
    frozen_users
        Users that are never trained, by which drift is seen: rules (the environment's own, without a model), or models.
    tasks
        Held-out tasks after each round.
    max_replies
        Replies of the agent in a conversation. Default: what the environment says.
    max_tokens
        Tokens of one of them, in training and on held-out tasks. Default: what `train grpo` and `rollout` have.
    agent_flags
        Further flags of `usergym train grpo`, as one text.
    user_flags
        Further flags of `usergym train users`, as one text.
    stop_on_drift
        End the run at the first alarm.
    json
        Print one JSON object at the end.
    """
    at_least(1, rounds=rounds, agent_steps=agent_steps, tasks=tasks, max_replies=max_replies, max_tokens=max_tokens)
    at_least(0, user_steps=user_steps)
    if not frozen_users:
        raise ValueError("--frozen-users: give one or more, or drift cannot be seen; rules needs no model")
    bounds = {"--max-replies": max_replies, "--max-tokens": max_tokens}
    limits = tuple(str(each) for pair in bounds.items() if pair[1] is not None for each in pair)
    loop = _Loop(env, run_folder(str(out), "both"), tuple(frozen_users), tasks, limits, json)
    found: list[Round] = []
    loop.play(0, agent, user)
    for number in range(1, rounds + 1):
        agent = loop.stage(
            number, "agent", agent, agent_steps, agent_flags, ("grpo", "--envs", env, *loop.seated(user), *limits)
        )
        if user_steps:
            people = ("users", *([str(data)] if data else []))
            user = loop.stage(number, "user", user, user_steps, user_flags, people)
        loop.play(number, agent, user)
        found.append(loop.round(number))
        (loop.out / "rounds.json").write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
        if not json and (news := _news(found[-1])):
            console.print(f"round {number}: drift: {news}", markup=False, highlight=False, soft_wrap=True)
        if found[-1].alarm and stop_on_drift:
            break
    if json:
        print_json({"rounds": found, "agent": agent, "user": user})
    else:
        _show(found, agent, user)
    return 3 if stop_on_drift and found[-1].alarm else 0


@dataclass(frozen=True)
class _Loop:
    env: str
    out: Path
    frozen: tuple[str, ...]
    tasks: int
    limits: tuple[str, ...]
    quiet: bool

    def stage(self, number: int, who: str, model: str, steps: int, flags: str, way: Sequence[str]) -> str:
        """Trains, or goes on; the folder of what came of it."""
        folder = self.out / f"round-{number}" / who
        verb, *rest = way
        self._call("train", verb, *rest, "--model", model, "--out", str(folder), "--steps", str(steps), *_split(flags))
        return str(folder)

    def seated(self, user: str) -> tuple[str, ...]:
        return () if user == RULES else ("--user-model", user)

    def play(self, number: int, agent: str, user: str) -> None:
        """Held-out tasks with the user that is trained and with those that are not."""
        for place, (_, seated) in enumerate(self._users(user)):
            run = self._run(number, place)
            self._call(
                *("rollout", "--env", self.env, "--model", agent, *self.seated(seated), "--split", "validation"),
                *("--limit", str(self.tasks), "--out", str(run), *self.limits),
                unscored=run,
            )
            if not self.quiet and (why := played(run).unmeasured):
                said = f"nothing is measured with {seated}: {why}; see {run}"
                console.print(said, markup=False, highlight=False, soft_wrap=True)

    def round(self, number: int) -> Round:
        own, *frozen = [
            standing(name, self._run(0, place), self._run(number, place))
            for place, (name, _) in enumerate(self._users("its own user"))
        ]
        return judged(number, own, frozen)

    def _users(self, own: str) -> Iterator[tuple[str, str]]:
        yield own, own
        yield from ((name, name) for name in self.frozen)

    def _run(self, number: int, place: int) -> Path:
        return self.out / f"round-{number}" / ("own" if not place else f"frozen-{place}")

    def _call(self, *command: str, unscored: Path | None = None) -> None:
        """One of our own verbs in a process of its own, whose memory is given back; it goes on where it stopped.
        `unscored`: a run that may end without any score, where it has played."""
        if not self.quiet:
            console.print(f"usergym {shlex.join(command)}", markup=False, highlight=False, soft_wrap=True)
        if unscored is not None:
            (unscored / "metrics.json").unlink(missing_ok=True)  # written when a run has played, and not before
        done = subprocess.run([sys.executable, "-m", "usergym", *command], stdout=subprocess.DEVNULL)
        ended = unscored is not None and done.returncode == 1 and (unscored / "metrics.json").is_file()
        if done.returncode and not ended:
            raise SystemExit(done.returncode)


def _split(flags: str) -> list[str]:
    try:
        return shlex.split(flags)
    except ValueError as error:
        raise ValueError(f"{flags!r} cannot be read as flags: {error}; check its quotation marks") from None


def _news(found: Round) -> str:
    return found.alarm or (found.unmeasured and f"not measured: {found.unmeasured}")


def _show(found: Sequence[Round], agent: str, user: str) -> None:
    table = Table("round", "user", "reward [95% CI]", "since the start", "lost", "user silent", "drift")
    for each in found:
        for place, one in enumerate((each.own, *each.frozen)):
            number, why = (str(each.number), _drift(each)) if not place else ("", "")
            gain = "not measured" if one.unmeasured else _told(one.gain, "+")
            table.add_row(number, one.user, _told(one.reward), gain, str(one.lost or "-"), str(one.silent or "-"), why)
    tables.print(table)
    for each in found:
        for one in _blind(each):
            tables.print(f"round {each.number}, with {one.user}: {one.unmeasured}", markup=False, soft_wrap=True)
    tables.print(f"the agent is in {agent}, the user in {user}", soft_wrap=True)


def _drift(found: Round) -> str:
    return found.alarm or ("not measured" if found.unmeasured else "none seen")


def _blind(found: Round) -> list[Standing]:
    return [one for one in (found.own, *found.frozen) if one.unmeasured]


def _told(estimate: Estimate | None, sign: str = "") -> str:
    if estimate is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.mean:{sign}.3f}"
    return f"{estimate.mean:{sign}.3f} [{estimate.low:{sign}.2f}, {estimate.high:{sign}.2f}]"
