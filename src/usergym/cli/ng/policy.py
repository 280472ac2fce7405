"""A model server's block as a Model of ours. Its key stays in memory, and what cannot be honoured is told."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from usergym.cli.ng.config import ConfigError
from usergym.cli.ng.overrides import did_you_mean
from usergym.cli.ng.servers import MODEL_NAMES, MODEL_URLS, Block
from usergym.models.base import Model
from usergym.models.providers import Address, UnknownModel, at_url, connect, key_of
from usergym.models.transport import Key, Options
from usergym.serving.configured import ConfiguredModel
from usergym.serving.masking import is_secret

KINDS = ("openai_model", "vllm_model", "local_model")
"""What a model server's implementation may be; the first two are any server with OpenAI's API."""

_KEY = ("openai_api_key", "api_key")
_HONOURED = {
    *MODEL_URLS,
    *_KEY,
    *MODEL_NAMES,
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
    "send_seed",
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
    where = address_of(block)
    if where is None:
        return _local(local_name(block), settings)
    model = connect(
        # Called as it was named; where it is may be another place tomorrow.
        dataclasses.replace(where, name=where.model),
        options=Options(_api(block), token_ids=_true(settings.get("return_token_id_information"))),
        key=_key(_first(settings, _KEY)) or key_of(where),
        headers=_headers(block),
        send_reasoning=not _true(settings.get("drop_input_reasoning_items")),
    )
    extra: dict[str, Any] = {**_object(block, "extra_body"), **_object(block, "sampling_overrides")}
    if template := _object(block, "chat_template_kwargs"):
        extra["chat_template_kwargs"] = template
    return ConfiguredModel(model, extra, _count(block, "max_concurrent_requests"), sends_seed(block))


def address_of(block: Block) -> Address | None:
    """Where the model is; None for one in this process."""
    settings = block.settings
    if block.implementation not in KINDS and not (_first(settings, MODEL_URLS) and _first(settings, MODEL_NAMES)):
        near = did_you_mean(block.implementation, KINDS)
        raise ConfigError(
            f"{block.name}: no model server {block.implementation!r}{near} (there are: {', '.join(KINDS)})"
        )
    name = str(_first(settings, MODEL_NAMES) or "")
    url = _first(settings, MODEL_URLS)
    if isinstance(url, list):
        if len(url) != 1:
            raise ConfigError(
                f"{block.name}: base_url lists {len(url)} servers; give one, or put a balancer before them"
            )
        url = url[0]
    if block.implementation == "local_model" or url == "local" or name.startswith("local/"):
        return None
    if not url:
        raise ConfigError(f"{block.name} has no base URL: give +policy_base_url=http://HOST:PORT/v1, or local")
    try:
        return at_url(str(url), name)
    except UnknownModel as error:
        raise ConfigError(f"{block.name}: {error}; give +policy_base_url=http://HOST:PORT/v1") from None


def local_name(block: Block) -> str:
    return str(_first(block.settings, MODEL_NAMES) or "").removeprefix("local/") or "smollm2"


def sends_seed(block: Block) -> bool:
    """Whether every call brings the seed of its draw: not to just any server, which may refuse the field."""
    given = block.settings.get("send_seed")
    return block.implementation != "openai_model" if given in (None, "") else _true(given)


def _local(name: str, settings: Mapping[str, Any]) -> Model:
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
        what = "no object" if is_secret(name) else f"{value!r:.60}"
        raise ConfigError(f"{block.name}: {name} is {what}; expected {{key: value}}")
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
