"""verl's agent loop over our one loop: a row of its data is a task, its server samples, and what was played goes back
as one row of tokens with the reward of each turn on the turn's last token."""

import logging
import os
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from uuid import uuid4

import msgspec
import torch
from omegaconf import OmegaConf
from verl.experimental.agent_loop.agent_loop import AgentLoopBase, AgentLoopMetrics, AgentLoopOutput, register

from usergym.environments.base import Environment, RowError, World, load
from usergym.models.base import Model, StopRun
from usergym.models.providers import connect
from usergym.models.transport import Options
from usergym.rollouts.engine import Cast, Limits, begin, play
from usergym.training.chat import Chat
from usergym.training.played import Earned, Member, member_of
from usergym.training.policy import Sampled, TokenParticipant, seating
from usergym.training.verl_setup import AGENT, RULES, model_name
from usergym.types import Record, Task, Trajectory, stable_hash
from usergym.users.base import Participant

OWN = "usergym"
"""The field of a row's `extra_info` that holds a whole task of ours, as JSON text."""

log = logging.getLogger(__name__)


class Settings(Record, frozen=True):
    """`usergym` of verl's configuration: who plays beside the policy."""

    user_model: str | None = None
    """`rules`: the environments' rule-based users. Default: MULTITURN_MODEL_NAME, else `rules`."""
    judge_model: str | None = None
    """Default: as the user."""
    envs: tuple[str, ...] = ()
    """Environments with options; others are loaded by their bare names."""
    reply: int | None = None
    """Tokens of one reply."""
    deadline: float = 600.0
    """Seconds that a user or a judge has for one answer, tries included."""
    seed: int = 0

    @classmethod
    def of(cls, config: Any) -> "Settings":
        """ValueError names a setting that there is not."""
        given = config.get("usergym", None)
        try:
            return msgspec.convert({} if given is None else OmegaConf.to_container(given, resolve=True), cls)
        except msgspec.ValidationError as error:
            raise ValueError(f"usergym settings of the verl configuration: {error}") from None


class Company:
    """Whom the policy meets, shared by all conversations of a process. Raises what `connect` and `load` raise."""

    def __init__(self, settings: Settings) -> None:
        wanted = settings.user_model if settings.user_model is not None else os.environ.get("MULTITURN_MODEL_NAME", "")
        user = model_name(wanted)
        judge = user if settings.judge_model is None else model_name(settings.judge_model)
        self.models: dict[str, Model] = {
            name: connect(name, options=Options(deadline=settings.deadline)) for name in {user, judge} - {RULES}
        }
        self.user = self.models.get(user)
        self.services = {"judge": self.models[judge]} if judge in self.models else {}
        self.named: dict[str, Environment] = {spec.partition(":")[0]: load(spec) for spec in settings.envs}
        self.environments = dict(self.named)

    def task(self, row: Mapping[str, Any]) -> tuple[Environment, Task]:
        """The task of a row: ours, whole, or one that an environment can read. RowError, LookupError otherwise."""
        info = row.get("extra_info") or {}
        if text := info.get(OWN):
            try:
                own = msgspec.json.decode(text, type=Task)
            except (TypeError, msgspec.MsgspecError) as error:
                raise RowError(f"extra_info.{OWN}", f"a task that usergym wrote ({error})", text) from None
            environment = self.environment(own.env)
            return environment, environment.read(msgspec.to_builtins(own))
        given = {key: value for key, value in row.items() if value is not None}
        names = [str(info["env"])] if info.get("env") else list(self.named)
        refused = []
        for name in names:
            try:
                return self.environment(name), self.environment(name).read(given)
            except RowError as error:
                refused.append(f"{name}: {error}")
        why = "; ".join(refused) or f"it has no extra_info.{OWN}, and usergym.envs names no environment"
        raise RowError("extra_info", f"a task of ours, or a row of one of usergym.envs ({why})", info)

    def environment(self, name: str) -> Environment:
        if name not in self.environments:
            self.environments[name] = load(name)
        return self.environments[name]

    async def close(self) -> None:
        for model in self.models.values():
            await model.close()


company = cache(Company)
chat_of = cache(Chat)


class Played(AgentLoopOutput):  # type: ignore[misc]
    """A conversation as verl takes it, its rewards token by token."""

    token_rewards: list[float]

    def as_dict(self) -> dict[str, Any]:
        """verl itself knows one reward, on the last token; it takes any for `rm_scores`."""
        fields: dict[str, Any] = super().as_dict()
        fields["rm_scores"] = torch.tensor(fields.pop("token_rewards"), dtype=torch.float32)
        return fields


class Voice:
    """The policy in one conversation: ids to verl's server, and back. `prompt` and `response` are the tokens there may
    be before and after the first reply begins, `reply` those of one reply."""

    def __init__(self, server: Any, sampling: Mapping[str, Any], prompt: int, response: int, reply: int | None) -> None:
        self.server = server
        self.sampling = sampling
        self.prompt, self.response, self.reply = prompt, response, reply
        self.request = uuid4().hex
        self.preempted = -1
        self.steps: list[int] = []
        """Training steps whose weights sampled."""
        self.broken: Exception | None = None
        """What the server failed with; it is no fault of the conversation."""
        self.player: TokenParticipant | None = None
        self.context = 0

    def seat(self, chat: Chat, world: World, seed: int) -> Participant:
        player = seating(chat, self.sample)(world, seed)
        assert isinstance(player, TokenParticipant)
        self.player = player
        return player

    async def sample(self, ids: list[int]) -> Sampled:
        if not self.context:
            self._measure(ids)
        room = self.context - len(ids)
        asked = {**self.sampling, "max_tokens": min(room, self.reply or room)}
        try:
            given = await self.server.generate(request_id=self.request, prompt_ids=ids, sampling_params=asked)
        except Exception as error:
            self.broken = error
            raise
        self._note(given)
        return Sampled(given.token_ids, given.log_probs or ())

    def _measure(self, ids: Sequence[int]) -> None:
        """How long a conversation may be is known once its first prompt is. One longer than `prompt`, since it has
        tools that verl did not count, leaves less for what follows."""
        most = self.prompt + self.response
        if len(ids) >= most:
            raise RowError(
                "prompt", f"fewer than {most} tokens, as data.max_prompt_length and .max_response_length say", len(ids)
            )
        assert self.player is not None
        self.context = self.player.context = min(len(ids) + self.response, most)

    def _note(self, given: Any) -> None:
        self.steps += [
            int(step)
            for name in ("min_global_steps", "max_global_steps")
            if (step := given.extra_fields.get(name)) is not None
        ]
        if given.num_preempted is not None:
            self.preempted = max(self.preempted, 0) + given.num_preempted


@register(AGENT)
class UsergymLoop(AgentLoopBase):  # type: ignore[misc]
    """One instance plays one conversation. A conversation without a reward (an outage of the user, a broken judge) is a
    row whose mask is 0 throughout; the advantage estimators leave it out, and end the run when there are too many.
    A failure of verl's own server passes."""

    async def run(self, sampling_params: dict[str, Any], **row: Any) -> Played:
        settings = Settings.of(self.config)
        lengths = self.rollout_config
        voice = Voice(
            self.server_manager, sampling_params, lengths.prompt_length, lengths.response_length, settings.reply
        )
        filler = self.tokenizer.eos_token_id
        trajectory, why = None, ""
        try:
            trajectory = await self._play(settings, voice, row)
            member = member_of(trajectory, "assistant", filler)
            why = trajectory.error.message if trajectory.error else "a part of its reward is not scored"
        except (ValueError, LookupError, StopRun) as error:
            # A run of verl cannot be ended from here: the estimators end it, once they see how much is lost.
            why, kind = str(error), "unavailable" if isinstance(error, StopRun) else "row"
            member = Member([filler], [filler], [0], [0.0], Earned(None, [], 1), kind)
        if voice.broken is not None:
            raise voice.broken
        if member.lost:
            name = trajectory.id if trajectory else f"row {row.get('index')}"
            log.warning("%s is left out (%s): %s", name, member.lost, why)
        return _output(trajectory, member, voice, row, bool(sampling_params.get("logprobs")))

    async def _play(self, settings: Settings, voice: Voice, row: Mapping[str, Any]) -> Trajectory:
        chat, others = chat_of(self.tokenizer), company(settings)
        environment, task = others.task(row)
        # The samples of a group have numbers; what differs from step to step is in the seed.
        seed = stable_hash(settings.seed, row.get("global_steps"), row.get("uid"))
        trajectory = begin(task, int(row.get("session_id", stable_hash(voice.request) & 0xFFFF)), seed)
        cast = Cast(
            lambda world, seed: voice.seat(chat, world, seed),
            others.user,
            services=others.services,
            limits=Limits(self.rollout_config.multi_turn.max_assistant_turns or environment.max_replies),
        )
        return await play(environment, trajectory, cast)


def _output(
    trajectory: Trajectory | None, member: Member, voice: Voice, row: Mapping[str, Any], logprobs: bool
) -> Played:
    rewards, earned, last = [0.0] * len(member.completion), member.earned.rewards or [], -1
    for (start, end), reward in zip(member.earned.spans, earned, strict=True):
        assert last < start < end, "turns must be apart, and have tokens: their borders are read from the mask"
        rewards[end - 1], last = reward, end
    turns = trajectory.turns if trajectory else []
    steps = voice.steps or [int(row.get("global_steps") or 0)]
    given = {reward.name: reward.value for reward in trajectory.rewards} if trajectory else {}
    return Played(
        prompt_ids=member.prompt,
        response_ids=member.completion,
        response_mask=member.mask,
        response_logprobs=member.logprobs if logprobs else None,
        token_rewards=rewards,
        reward_score=member.reward or 0.0,
        num_turns=sum(turn.speaker != "judge" for turn in turns),
        metrics=AgentLoopMetrics(num_preempted=voice.preempted),
        extra_fields={
            "min_global_steps": min(steps),
            "max_global_steps": max(steps),
            "turn_scores": earned,
            "tool_rewards": [],
            "usergym_reward": member.reward,
            "usergym_lost": member.lost,
            # verl's own mean of rewards counts a lost conversation as 0; these know None.
            "reward_extra_info": {
                "score": member.reward,
                "success": given.get("success"),
                "lost": float(bool(member.lost)),
            },
        },
    )
