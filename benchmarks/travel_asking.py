"""The travel gym as a model without language can play it: the same tasks, traveller and pay, with a teacher who only
asks. A perfect conversation also searches, through thousands of tokens of options; asking is 0.3 of what can be earned.

    usergym rollout --env benchmarks.travel_asking:actions=native --model oracle     (from the repository)
"""

from random import Random

from usergym.environments._gym import prompt
from usergym.environments.travel.gym import Travel
from usergym.environments.travel.library import library
from usergym.environments.travel.oracle import Act
from usergym.environments.travel.pay import USERRL
from usergym.environments.travel.rows import blocks_of
from usergym.environments.travel.world import TravelWorld
from usergym.types import Task


class Asking(TravelWorld):
    @property
    def system(self) -> str:
        return prompt(TravelWorld.__module__, self.gym.actions)

    def perfect_act(self) -> Act:
        """The next question about a subject of an aspect that the trip has, so half of them find no wish: who never
        hears a no would not know how to go on after one."""
        asked = sum(turn.speaker == "assistant" for turn in self.trajectory.turns) if self.trajectory else 0
        left = self.questions()[asked:]
        return Act("action", left[0]) if left else Act("finish", "")

    def questions(self) -> list[str]:
        """As many of each aspect as it has wishes, drawn from all of its subjects."""
        random = Random(self.task.id)
        made = []
        for block in self.blocks:
            subjects = library()[block.aspect].subjects
            made += [subjects[name].question for name in random.sample(sorted(subjects), len(block.preferences))]
        return made


class AskingTravel(Travel):
    def start(self, task: Task) -> Asking:
        return Asking(task, self, blocks_of(task), USERRL[self.rewards], False)


environment = AskingTravel
