"""A checkpoint as a model that is asked: the policy's frozen copy as user or judge, or a trained model tried out
without a server. Requests that wait at the same time are generated together."""

import asyncio
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from usergym.models.base import Finish, ModelError, Reply
from usergym.types import Message, Sampling, Tokens, Tool, Usage

TOGETHER = 64
"""Requests of one batch."""


@dataclass
class _Request:
    ids: list[int]
    sampling: Sampling
    future: "asyncio.Future[list[int]]"

    @property
    def kind(self) -> tuple[object, ...]:
        """Requests that one call can answer have it alike."""
        return self.sampling.temperature, self.sampling.top_p, self.sampling.max_tokens


class Frozen:
    """`max_tokens` is what a request gets that does not say; `temperature` likewise. A request's seed is not used:
    those of one batch share a generator, which is the policy's too. A JSON schema is not enforced."""

    def __init__(
        self, checkpoint: str, template: Path | None = None, max_tokens: int = 512, temperature: float = 1.0
    ) -> None:
        self.name = checkpoint
        self.template = template
        self.max_tokens = max_tokens
        self.temperature = temperature
        self._waiting: list[_Request] = []
        self._runner: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="usergym frozen")
        self._loaded: tuple[Any, Any] | None = None

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Reply:
        started = time.perf_counter()
        loop = asyncio.get_running_loop()
        _, chat = await loop.run_in_executor(self._thread, self._load)
        ids = chat.first(messages, () if sampling.tool_choice == "none" else tools)
        request = _Request(ids, sampling, loop.create_future())
        self._waiting.append(request)
        if self._runner is None or self._runner.done():
            self._runner = loop.create_task(self._run())
        made = await request.future
        message = chat.read(made, len(messages))
        finish: Finish = "length" if not chat.ended(made) else "tool_calls" if message.tool_calls else "stop"
        usage = Usage(len(ids), len(made), seconds=time.perf_counter() - started, calls=1)
        return Reply(message, usage, finish, Tokens.of(ids, made))

    async def close(self) -> None:
        if self._runner:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
        await asyncio.to_thread(self._thread.shutdown)
        self._loaded = None

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            await asyncio.sleep(0)  # those who ask in the same moment come along
            kind = self._waiting[0].kind
            batch = [request for request in self._waiting if request.kind == kind][:TOGETHER]
            self._waiting = [request for request in self._waiting if request not in batch]
            try:
                made = await loop.run_in_executor(self._thread, self._generate, batch)
            except (RuntimeError, ValueError, MemoryError) as error:
                refusal = ModelError("refused", f"model {self.name!r} could not generate: {error}")
                for request in batch:
                    if not request.future.done():
                        request.future.set_exception(refusal)
                continue
            for request, ids in zip(batch, made, strict=True):
                if not request.future.done():
                    request.future.set_result(ids)

    def _load(self) -> tuple[Any, Any]:
        if self._loaded is None:
            import torch

            from usergym.training.chat import Chat
            from usergym.training.checkpoints import load

            model, tokenizer = load(self.name, trainable=False, template=self.template)
            # A thread's current GPU is the first one, which need not be this process's.
            device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else "cpu"
            self._loaded = model.to(device), Chat(tokenizer)
        return self._loaded

    def _generate(self, batch: Sequence[_Request]) -> list[list[int]]:
        import torch

        model, chat = self._load()
        sampling = batch[0].sampling
        pad, longest = chat.tokenizer.pad_token_id, max(len(request.ids) for request in batch)
        ids = torch.tensor([[pad] * (longest - len(request.ids)) + request.ids for request in batch])
        mask = torch.tensor([[0] * (longest - len(request.ids)) + [1] * len(request.ids) for request in batch])
        temperature = self.temperature if sampling.temperature is None else sampling.temperature
        options: dict[str, Any] = {"do_sample": False}
        if temperature > 0:
            options = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": sampling.top_p or 1.0}
        with torch.no_grad():
            made = model.generate(
                input_ids=ids.to(model.device),
                attention_mask=mask.to(model.device),
                max_new_tokens=sampling.max_tokens or self.max_tokens,
                eos_token_id=list(chat.end_ids),
                pad_token_id=pad,
                **options,
            )
        return [_until_end(row, chat.end_ids) for row in made[:, longest:].tolist()]


def _until_end(ids: list[int], ends: Sequence[int]) -> list[int]:
    """What was sampled: behind the first end token there is only padding."""
    for place, each in enumerate(ids):
        if each in ends:
            return ids[: place + 1]
    return ids
