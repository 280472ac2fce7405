"""The travel gym as a model without language can play it: the same tasks, traveller and pay, with a teacher who only
asks. A perfect conversation also searches, through thousands of tokens of options; asking is 0.3 of what can be earned.

    usergym rollout --env benchmarks.travel_asking:actions=native --model oracle     (from the repository)
"""

from usergym.environments._gym import prompt
from usergym.environments.travel.gym import Travel
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
        return Act("action", self.unvoiced[0].question) if self.unvoiced else Act("finish", "")


class AskingTravel(Travel):
    def start(self, task: Task) -> Asking:
        return Asking(task, self, blocks_of(task), USERRL[self.rewards], False)


environment = AskingTravel
