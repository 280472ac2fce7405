"""A model server's block as a Model of ours. Its key stays in memory, and what cannot be honoured is told."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from usergym.cli.ng.config import ConfigError
from usergym.cli.ng.overrides import did_you_mean
from usergym.cli.ng.servers import Block
from usergym.models.base import Model, Reply
from usergym.models.providers import UnknownModel, at_url, connect, key_of
from usergym.models.transport import Key, Options
from usergym.types import Message, Sampling, Tool

KINDS = ("openai_model", "vllm_model", "local_model")
"""What a model server's implementation may be; the first two are any server with OpenAI's API."""

_URL = ("openai_base_url", "base_url")
_KEY = ("openai_api_key", "api_key")
_MODEL = ("openai_model", "model", "model_name")
_HONOURED = {
    *_URL,
    *_KEY,
    *_MODEL,
    "openai_default_headers",
    "default_headers",
    "extra_body",
    "sampling_overrides",
    "chat_template_kwargs",
    "max_concurrent_requests",
    "drop_input_reasoning_items",
    "is_responses_native",
    "return_token_id_information",
    "api",
    "context",
    "parallel",
    "threads",
    "host",
    "port",
}
_WITHOUT_EFFECT = {
    "entrypoint": "the program is this one",
    "num_workers": "one process answers all",
    "uses_reasoning_parser": "reasoning is recognised wherever it stands",
    "replace_developer_role_with_system": "developer messages are system messages",
    "description": "",
    "domain": "",
    "verified": "",
    "value": "",
}


class _Configured:
    """A model asked with further fields, so many times at once."""

    def __init__(self, model: Model, extra: Mapping[str, Any], at_once: int | None) -> None:
        self.model = model
        self.extra = dict(extra)
        self.places = asyncio.Semaphore(at_once) if at_once else None

    @property
    def name(self) -> str:
        return self.model.name

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Reply:
        if self.extra:
            sampling = msgspec.structs.replace(sampling, extra={**sampling.extra, **self.extra})
        if self.places is None:
            return await self.model.reply(messages, tools, sampling)
        async with self.places:
            return await self.model.reply(messages, tools, sampling)

    async def close(self) -> None:
        await self.model.close()


def ignored(block: Block) -> list[str]:
    """Settings of a model server that have no effect here."""
    return [
        f"{block.name}: {name} has no effect here" + (f" ({_WITHOUT_EFFECT[name]})" if name in _WITHOUT_EFFECT else "")
        for name, value in block.settings.items()
        if name not in _HONOURED and _WITHOUT_EFFECT.get(name) != "" and name != "entrypoint" and _set(value)
    ]


def _set(value: Any) -> bool:
    return value not in (None, "", False, [], {})


def model_of(block: Block) -> Model:
    """ConfigError for what is wrong in the block, UnknownModel for its name or address."""
    settings = block.settings
    if block.implementation not in KINDS and not (_first(settings, _URL) and _first(settings, _MODEL)):
        near = did_you_mean(block.implementation, KINDS)
        raise ConfigError(
            f"{block.name}: no model server {block.implementation!r}{near} (there are: {', '.join(KINDS)})"
        )
    name = str(_first(settings, _MODEL) or "")
    url = _first(settings, _URL)
    if isinstance(url, list):
        if len(url) != 1:
            raise ConfigError(
                f"{block.name}: base_url lists {len(url)} servers; give one, or put a balancer before them"
            )
        url = url[0]
    if block.implementation == "local_model" or url == "local" or name.startswith("local/"):
        return _local(name, settings)
    if not url:
        raise ConfigError(f"{block.name} has no base URL: give +policy_base_url=http://HOST:PORT/v1, or local")
    try:
        address = at_url(str(url), name)
    except UnknownModel as error:
        raise ConfigError(f"{block.name}: {error}; give +policy_base_url=http://HOST:PORT/v1") from None
    model = connect(
        address,
        options=Options(_api(block), token_ids=_true(settings.get("return_token_id_information"))),
        key=_key(_first(settings, _KEY)) or key_of(address),
        headers=_headers(block),
        send_reasoning=not _true(settings.get("drop_input_reasoning_items")),
    )
    extra: dict[str, Any] = {**_object(block, "extra_body"), **_object(block, "sampling_overrides")}
    if template := _object(block, "chat_template_kwargs"):
        extra["chat_template_kwargs"] = template
    return _Configured(model, extra, _count(block, "max_concurrent_requests"))


def _local(name: str, settings: Mapping[str, Any]) -> Model:
    name = name.removeprefix("local/") or "smollm2"
    threads = settings.get("threads")
    return connect(
        f"local/{name}",
        context=int(settings.get("context") or 8192),
        parallel=int(settings.get("parallel") or 4),
        threads=int(threads) if threads else None,
    )


def _first(settings: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((settings[name] for name in names if settings.get(name) not in (None, "")), None)


def _key(value: Any) -> Key | None:
    """None where none was given: one of the environment then serves."""
    if value in (None, "", "EMPTY", "dummy", "dummy_key"):
        return None
    text = str(value).strip()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigError("policy_api_key holds characters that no key has; set it again")
    return Key("policy_api_key", text)


def _api(block: Block) -> Any:
    given = block.settings.get("api")
    if given is None:
        return "responses" if _true(block.settings.get("is_responses_native")) else "chat"
    if given not in ("chat", "responses"):
        raise ConfigError(f"{block.name}: api is {given!r}; expected chat or responses")
    return given


def _headers(block: Block) -> dict[str, str]:
    found = {**_object(block, "openai_default_headers"), **_object(block, "default_headers")}
    return {str(name): str(value) for name, value in found.items()}


def _object(block: Block, name: str) -> dict[str, Any]:
    value = block.settings.get(name)
    if value in (None, ""):
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(f"{block.name}: {name} is {value!r:.60}; expected {{key: value}}")
    return dict(value)


def _count(block: Block, name: str) -> int | None:
    value = block.settings.get(name)
    if value in (None, ""):
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"{block.name}: {name} is {value!r}; expected a whole number from 1")
    return value


def _true(value: Any) -> bool:
    """`oc.env` gives text."""
    return str(value).lower() in ("true", "1", "yes")
