"""A model in this process: llama.cpp through xllamacpp, with the replies of many conversations in one batch."""

import asyncio
import http.client
import json
import os
import secrets
import threading
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import msgspec

from usergym.models import gguf, tool_text
from usergym.models.base import Finish, ModelError, Reply
from usergym.models.chat_format import to_chat, tools_to_chat
from usergym.types import Message, Sampling, Tokens, Tool, ToolCall, Usage

CACHE_MIB = 1024
"""Host memory for the prompts of conversations that have lost their slot."""


class LocalModel:
    """Built by `load`. Replies of up to `parallel` conversations are sampled together, more wait their turn."""

    def __init__(
        self,
        name: str,
        engine: "_Engine",
        *,
        context: int,
        parallel: int,
        native_tools: bool,
        reuse: bool,
        tokens: bool,
    ) -> None:
        self.name = name
        self.context = context
        """Tokens that one conversation can have, its next reply included."""
        self.native_tools = native_tools
        """The chat template knows tools; without it they go through the text protocol."""
        self.reuse = reuse
        self.tokens = tokens
        self._engine = engine
        self._threads = ThreadPoolExecutor(parallel, thread_name_prefix=f"usergym {name}")
        # At the latest when the process ends: llama.cpp's threads must be gone before the interpreter is.
        self._release = weakref.finalize(self, _release, self._threads, engine)

    @classmethod
    def load(
        cls,
        name: str,
        *,
        context: int = 4096,
        parallel: int = 8,
        threads: int | None = None,
        reuse: bool | None = None,
        tokens: bool = False,
        chat_template: str = "",
    ) -> Self:
        """The model that `name` means (see `gguf.find`); LookupError says how to get what is missing.

        `context` is in tokens and for one conversation, at most what the model was trained for; memory for
        `parallel` of them is taken at once. `threads` defaults to one CPU fewer than this process may use: llama.cpp's
        threads wait for each other busily, so the last one costs more than it gives as soon as anything else runs.
        `reuse` keeps what was computed for a conversation's earlier turns; it changes the last bits of the
        result, hence now and then a sampled word, so with `parallel=1` it is off unless asked for, and the
        same seed gives the same reply. `tokens` fills Reply.tokens; log-probabilities are those of the model
        itself, before temperature and truncation, and left out when llama.cpp does not give one for every
        token. `chat_template` (Jinja) replaces the model's own.
        """
        name = f"local/{name.removeprefix('local/')}"
        path = gguf.find(name)
        reuse = parallel > 1 if reuse is None else reuse
        engine = _Engine(name, str(path), context, parallel, threads or max(1, _cpus() - 1), reuse, chat_template)
        about = engine.ask("GET", "/props")
        return cls(
            name,
            engine,
            context=about["default_generation_settings"]["n_ctx"],
            parallel=parallel,
            native_tools=bool(about.get("chat_template_caps", {}).get("supports_tools")),
            reuse=reuse,
            tokens=tokens,
        )

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Reply:
        if not self._release.alive:
            raise ModelError("unavailable", f"model {self.name!r} was closed")
        offered = () if sampling.tool_choice == "none" else tools
        body = self._request(messages, offered, sampling)
        given_up = threading.Event()
        try:
            written = await asyncio.get_running_loop().run_in_executor(self._threads, self._play, body, given_up)
        except asyncio.CancelledError:
            given_up.set()
            raise
        message = written.message(len(messages))
        if offered and not self.native_tools:
            content, calls = tool_text.parse(message.content, len(messages))
            message = msgspec.structs.replace(message, content=content, tool_calls=calls)
        finish: Finish = "length" if written.finish == "length" else "tool_calls" if message.tool_calls else "stop"
        return Reply(message, written.usage, finish, written.tokens)

    async def close(self) -> None:
        """Ends the replies in hand and frees the model."""
        self._engine.closing.set()
        await asyncio.to_thread(self._threads.shutdown)
        self._release()

    def _request(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> dict[str, Any]:
        if sampling.tool_choice not in (None, "auto", "none"):
            raise ModelError(
                "refused",
                f"model {self.name!r} cannot be made to call ({sampling.tool_choice!r}); leave tool_choice out",
            )
        if self.native_tools:
            body = dict(sampling.extra, messages=to_chat(map(_callable, messages)))
            if tools:
                body["tools"] = tools_to_chat(tools)
        else:
            body = dict(sampling.extra, messages=to_chat(tool_text.render(messages, tools)))
        body["cache_prompt"] = self.reuse
        if self.tokens:
            # A stream leaves ids out, so the reply comes whole and cannot be broken off.
            body.update(verbose=True, return_tokens=True, logprobs=True, top_logprobs=1)
        else:
            body.update(stream=True, stream_options={"include_usage": True})
        for field in ("temperature", "top_p", "max_tokens", "json_schema", "reasoning_effort"):
            if (value := getattr(sampling, field)) is not None:
                body[field] = value
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        if sampling.seed is not None:
            body["seed"] = sampling.seed & 0x7FFFFFFF
        return body

    def _play(self, body: dict[str, Any], given_up: threading.Event) -> "_Written":
        """One reply, in a thread of its own; llama.cpp batches those that run at the same time."""
        started = time.perf_counter()
        written = _Written()
        closing = self._engine.closing

        def collect(chunk: dict[str, Any]) -> bool:
            written.add(chunk)
            return given_up.is_set() or closing.is_set()

        try:
            if self.tokens:
                collect(self._engine.server.handle_chat_completions(body))
            else:
                self._engine.server.handle_chat_completions(body, collect)
        except ValueError as error:
            raise ModelError("refused", f"model {self.name!r} refused the request: {error}") from error
        except RuntimeError as error:
            raise ModelError("malformed", f"model {self.name!r} wrote what cannot be read: {error}") from error
        if written.error:
            raise self._failed(written.error)
        if written.finish is None:
            raise ModelError("unavailable", f"model {self.name!r} was closed while it wrote")
        written.usage = msgspec.structs.replace(written.usage, seconds=time.perf_counter() - started, calls=1)
        if self.tokens:
            written.tokens = self._sampled(written)
        return written

    def _failed(self, error: dict[str, Any]) -> ModelError:
        text = error.get("message", "no reason given")
        if error.get("type") == "exceed_context_size_error":
            return ModelError(
                "refused",
                f"model {self.name!r}: the conversation is {error['n_prompt_tokens']} tokens long and its context is "
                f"{error['n_ctx']}; load it with a larger context, or end conversations earlier",
            )
        kind = error.get("code", 500)
        return ModelError("refused" if 400 <= kind < 500 else "malformed", f"model {self.name!r}: {text}")

    def _sampled(self, written: "_Written") -> Tokens | None:
        """The ids as they were; None where the prompt's cannot be told for sure."""
        prompt = self._engine.ask(
            "POST", "/tokenize", {"content": written.verbose["prompt"], "add_special": True, "parse_special": True}
        )["tokens"]
        if len(prompt) != written.usage.input_tokens:
            return None
        ids = written.verbose["tokens"]
        each = len(written.logprobs) == len(ids) and all(
            i == row["id"] for i, row in zip(ids, written.logprobs, strict=True)
        )
        return Tokens.of(prompt, ids, [row["logprob"] for row in written.logprobs] if each else ())


class _Engine:
    """llama.cpp's server. It also listens on a loopback port, which is closed to all but us by a random key."""

    def __init__(
        self, name: str, path: str, context: int, parallel: int, threads: int, reuse: bool, chat_template: str
    ) -> None:
        try:
            import xllamacpp
        except ImportError as error:
            raise LookupError(
                f"model {name!r} runs on llama.cpp, which is not installed; get it with: pip install 'usergym[local]'"
            ) from error
        self.closing = threading.Event()
        self.key = secrets.token_hex()
        params = xllamacpp.CommonParams()
        params.model.path = path
        params.n_ctx = context * parallel
        params.n_parallel = parallel
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.cache_ram_mib = CACHE_MIB if reuse else 0
        params.api_keys = [self.key]
        params.cors_origins = ""
        params.verbosity = 3 if os.environ.get("USERGYM_VERBOSE") else 0
        params.chat_template = chat_template
        try:
            self.server: Any = xllamacpp.Server(params)
        except RuntimeError as error:
            raise LookupError(
                f"model {name!r}: llama.cpp cannot load {path} with context {context} x {parallel}; "
                "the file may be cut short, or memory too small (USERGYM_VERBOSE=1 shows llama.cpp's own words)"
            ) from error

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """What the server only tells over its port: properties and token ids."""
        connection = http.client.HTTPConnection(self.server.listening_address.removeprefix("http://"), timeout=60)
        try:
            headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
            connection.request(method, path, json.dumps(body) if body else None, headers)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


class _Written:
    """One reply as it arrives, whole or in pieces."""

    def __init__(self) -> None:
        self.content: list[str] = []
        self.reasoning: list[str] = []
        self.calls: dict[int, dict[str, str]] = {}
        self.finish: str | None = None
        self.usage = Usage()
        self.error: dict[str, Any] = {}
        self.verbose: dict[str, Any] = {}
        self.logprobs: list[dict[str, Any]] = []
        self.tokens: Tokens | None = None

    def add(self, chunk: dict[str, Any]) -> None:
        self.error = chunk.get("error", self.error)
        self.verbose = chunk.get("__verbose", self.verbose)
        if usage := chunk.get("usage"):
            cached = usage.get("prompt_tokens_details", {}).get("cached_tokens", 0)
            self.usage = Usage(usage["prompt_tokens"], usage["completion_tokens"], cached)
        for choice in chunk.get("choices", ()):
            self.finish = choice.get("finish_reason") or self.finish
            self.logprobs.extend((choice.get("logprobs") or {}).get("content", ()))
            piece = choice.get("delta") or choice.get("message") or {}
            self.content.append(piece.get("content") or "")
            self.reasoning.append(piece.get("reasoning_content") or "")
            for place, part in enumerate(piece.get("tool_calls") or ()):
                call = self.calls.setdefault(part.get("index", place), {"name": "", "arguments": ""})
                for field in call:
                    call[field] += part.get("function", {}).get(field) or ""

    def message(self, place: int) -> Message:
        calls = (ToolCall(f"call_{place}_{i}", **call) for i, call in sorted(self.calls.items()))
        return Message("assistant", "".join(self.content), "".join(self.reasoning) or None, tuple(calls))


def _callable(message: Message) -> Message:
    """Templates take past arguments apart, so a call whose arguments are no JSON object goes back as text."""
    broken = [call for call in message.tool_calls if not _is_object(call.arguments)]
    if not broken:
        return message
    words = "\n".join(filter(None, [message.content, *map(tool_text.written, broken)]))
    calls = tuple(call for call in message.tool_calls if call not in broken)
    return msgspec.structs.replace(message, content=words, tool_calls=calls)


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _release(threads: ThreadPoolExecutor, engine: _Engine) -> None:
    engine.closing.set()
    threads.shutdown(wait=False)
    engine.server = None
