"""One string names a model; keys come from the environment and go nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usergym.models.base import StopRun
from usergym.models.providers import PROVIDERS, UnknownModel, connect, key_of, parse

KEYS = [variable for provider in PROVIDERS.values() for variable in provider.keys]


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for provider in PROVIDERS.values():
        for variable in (*provider.keys, provider.base_url_variable):
            if variable:
                monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize(
    ("name", "endpoint", "provider", "model", "url"),
    [
        ("openai/gpt-4o-mini", None, "openai", "gpt-4o-mini", "https://api.openai.com/v1"),
        ("anthropic/claude-haiku-4-5", None, "anthropic", "claude-haiku-4-5", "https://api.anthropic.com/v1"),
        ("nim/openai/gpt-oss-120b", None, "nims", "openai/gpt-oss-120b", "https://integrate.api.nvidia.com/v1"),
        ("nims/openai/gpt-oss-120b", None, "nims", "openai/gpt-oss-120b", "https://integrate.api.nvidia.com/v1"),
        ("vllm/Qwen/Qwen3-8B", None, "vllm", "Qwen/Qwen3-8B", "http://localhost:8000/v1"),
        ("http://h:9/v1/Qwen/Qwen3-8B", None, "url", "Qwen/Qwen3-8B", "http://h:9/v1"),
        ("https://h/api/v1/a/v1/b", None, "url", "a/v1/b", "https://h/api/v1"),
        ("local/smollm2", None, "local", "smollm2", ""),
        ("scripted", None, "scripted", "", ""),
        ("Qwen/Qwen3-8B", "vllm", "vllm", "Qwen/Qwen3-8B", "http://localhost:8000/v1"),
        ("openai/gpt-oss-120b", "nims", "nims", "openai/gpt-oss-120b", "https://integrate.api.nvidia.com/v1"),
        ("openai/gpt-oss-120b", "nim", "nims", "openai/gpt-oss-120b", "https://integrate.api.nvidia.com/v1"),
        ("gpt-4o", "openai", "openai", "gpt-4o", "https://api.openai.com/v1"),
    ],
)
def test_a_name_says_where_the_model_is(name: str, endpoint: str | None, provider: str, model: str, url: str) -> None:
    address = parse(name, endpoint)
    assert (address.provider, address.model, address.base_url) == (provider, model, url)


def test_a_name_keeps_its_provider_so_that_nim_and_nims_are_one() -> None:
    assert parse("nim/m").name == parse("nims/m").name == parse("m", "nims").name == "nims/m"


@pytest.mark.parametrize("name", ["gpt-4o", "Qwen/Qwen3-8B", "openai/", "", "/x", "url/x"])
def test_an_unknown_provider_lists_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownModel, match="openai, anthropic, nims, vllm, local"):
        parse(name)
    with pytest.raises(UnknownModel, match="openai, anthropic, nims, vllm, local"):
        parse("m", "nowhere")


@pytest.mark.parametrize("name", ["http://h:9/m", "http://h/v1/", "http:///v1/m", "http://[/v1/m"])
def test_a_url_that_names_no_model_says_the_form(name: str) -> None:
    with pytest.raises(UnknownModel, match="http://HOST:PORT/v1/MODEL"):
        parse(name)


@given(st.text())
def test_any_text_is_an_address_or_an_unknown_model(name: str) -> None:
    try:
        address = parse(name)
    except UnknownModel:
        return
    assert address.name
    assert address.provider in (*PROVIDERS, "scripted", "oracle", "idle")


@pytest.mark.parametrize("base_url", ["localhost:8000/v1", "/v1", "http://", "ftp://h/v1", "http://[/v1"])
def test_a_base_url_that_is_none_is_refused_with_its_form(base_url: str) -> None:
    with pytest.raises(UnknownModel, match="http://HOST:PORT/v1"):
        parse("m", "vllm", base_url)
    with pytest.raises(UnknownModel, match="http://HOST:PORT/v1"):
        parse("Qwen/m", base_url=base_url)


def test_an_endpoint_needs_a_name() -> None:
    with pytest.raises(UnknownModel, match="no model is named"):
        parse("", "vllm")


def test_a_base_url_replaces_the_endpoints_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse("openai/m", base_url="http://h/v1/").base_url == "http://h/v1"
    assert parse("Qwen/m", base_url="http://h/v1").model == "Qwen/m"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://proxy/v1")
    assert parse("openai/m").base_url == "http://proxy/v1"
    assert parse("openai/m", base_url="http://h/v1").base_url == "http://h/v1"


def test_a_missing_key_is_one_line_that_names_the_variable() -> None:
    for name, variable in (
        ("openai/m", "OPENAI_API_KEY"),
        ("anthropic/m", "ANTHROPIC_API_KEY"),
        ("nim/m", "NIMS_API_KEY or NVIDIA_API_KEY"),
    ):
        with pytest.raises(StopRun) as stop:
            connect(name)
        assert variable in str(stop.value)
        assert "\n" not in str(stop.value)
    assert connect("vllm/m").name == "vllm/m"
    assert connect("openai/m", base_url="http://localhost:1/v1").name == "openai/m"


def test_the_first_key_that_is_set_wins_and_is_in_no_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVIDIA_API_KEY", "second-secret")
    assert key_of(parse("nim/m")).variable == "NVIDIA_API_KEY"
    monkeypatch.setenv("NIMS_API_KEY", "first-secret")
    key = key_of(parse("nim/m"))
    assert (key.variable, key.value) == ("NIMS_API_KEY", "first-secret")
    model = connect("nim/m")
    assert "secret" not in repr(key) + repr(model) + repr(parse("nim/m")) + repr(vars(model))


def test_a_key_that_cannot_be_sent_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "se\ncret")
    with pytest.raises(StopRun, match="OPENAI_API_KEY") as stop:
        connect("openai/m")
    assert "cret" not in str(stop.value)


def test_the_key_of_one_provider_is_not_sent_to_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    assert key_of(parse("http://somewhere/v1/m")).value == ""


def test_a_password_in_a_url_is_in_no_name() -> None:
    address = parse("http://me:pass@h:9/v1/m")
    assert "pass" not in address.name + repr(connect("http://me:pass@h:9/v1/m"))


def test_an_agent_that_is_no_model_says_so() -> None:
    with pytest.raises(UnknownModel, match="agent"):
        connect("oracle")
