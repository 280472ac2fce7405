"""Samples of one task that are judged against each other, wherever they were played."""

from collections.abc import Iterable, Sequence

from accelerate.utils import gather_object

from usergym.environments.base import JudgedInGroups
from usergym.models.base import Model, StopRun
from usergym.training.courses import Course
from usergym.training.stage import Stage
from usergym.types import Reward, Trajectory


def any_judged(courses: Iterable[Course]) -> bool:
    return any(isinstance(course.environment, JudgedInGroups) for course in courses)


def judge(
    groups: Sequence[tuple[Course, int]], made: Sequence[Trajectory], model: Model | None, stage: Stage, process: int
) -> str:
    """Has the process that holds the first member of a group judge all of them; rewards go back into `made`. `groups`:
    of each the environment and a number that its group has to itself. To be called by all processes; why the judge
    stopped the run, the same on all, "" where it did not."""
    told = [
        (group, process, place, trajectory)
        for place, ((course, group), trajectory) in enumerate(zip(groups, made, strict=True))
        if isinstance(course.environment, JudgedInGroups) and not trajectory.error
    ]
    members: dict[int, list[tuple[int, int, Trajectory]]] = {}
    for group, owner, place, trajectory in gather_object(told):
        members.setdefault(group, []).append((owner, place, trajectory))
    environments = {group: course.environment for course, group in groups}
    judged: list[tuple[int, int, list[Reward]]] = []
    stop = ""
    for group, found in members.items():
        environment = environments.get(group)
        if stop or found[0][0] != process or not isinstance(environment, JudgedInGroups):
            continue
        try:
            stage.run(environment.score_group([trajectory for _, _, trajectory in found], model))
        except StopRun as error:
            stop = str(error)
        judged += [(owner, place, trajectory.rewards) for owner, place, trajectory in found]
    for owner, place, rewards in gather_object(judged):
        if owner == process:
            made[place].rewards = rewards
    return next(filter(None, gather_object([stop])), "")
