from pathlib import Path

import pytest

from tests.cli.ng_terminal import CALENDAR, ng
from tests.cli.terminal import SHARED
from usergym.cli.ng.config import ConfigError, load
from usergym.cli.ng.overrides import BadOverride, parse
from usergym.cli.ng.policy import ignored, model_of
from usergym.cli.ng.servers import agents, blocks, environment_spec
from usergym.environments import names

THEIRS = SHARED / "data/nemo_gym"
MODEL = "responses_api_models/openai_model/configs/openai_model.yaml"
POLICY = ["+policy_base_url=http://127.0.0.1:9/v1", "+policy_api_key=sk-1234", "+policy_model_name=org/model"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("NEMO_GYM_ROOT", "NEMO_GYM_EXTRA_ROOTS", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def loaded(*paths: str, given: tuple[str, ...] = ()) -> dict:
    return load(paths, [parse(each) for each in given]).values


def file(path: str, text: str) -> str:
    Path(path).write_text(text)
    return path


@pytest.mark.skipif(not THEIRS.exists(), reason="needs the peer's own files")
def test_the_peers_own_files_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    values = loaded(str(THEIRS / "openai_model.yaml"), str(THEIRS / "workplace_assistant.yaml"), given=tuple(POLICY))
    (agent,) = agents(blocks(values))
    assert (agent.block.name, agent.max_steps) == ("workplace_assistant_simple_agent", 6)
    assert environment_spec(agent.resources) == "workplace"
    settings = agent.model.settings
    assert settings["openai_base_url"] == "http://127.0.0.1:9/v1"
    assert settings["drop_input_reasoning_items"].lower() == "false"
    assert model_of(agent.model).name == "org/model"
    monkeypatch.setenv("POLICY_DROP_REASONING_ITEMS", "true")
    assert loaded(str(THEIRS / "openai_model.yaml"), given=tuple(POLICY))["policy_model"] != values["policy_model"]


@pytest.mark.parametrize("name", [*names(), "workplace_assistant"])
def test_every_environment_has_a_shipped_configuration(name: str) -> None:
    values = loaded(MODEL, f"resources_servers/{name}/configs/{name}.yaml", given=tuple(POLICY))
    (agent,) = agents(blocks(values))
    assert agent.block.name == f"{name}_simple_agent"
    assert environment_spec(agent.resources) in names()


def test_a_file_on_disk_goes_before_a_shipped_one_and_other_roots_are_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    path = "resources_servers/calendar/configs/calendar.yaml"
    place = Path("gym") / path
    place.parent.mkdir(parents=True)
    place.write_text("mark: 1")
    assert "mark" not in loaded(path)
    monkeypatch.setenv("NEMO_GYM_EXTRA_ROOTS", "gym")
    assert loaded(path) == {"mark": 1}


def test_the_includer_wins_and_the_later_file_and_env_yaml_and_the_command_line() -> None:
    file("inner.yaml", "a: inner\nb: inner\nblock: {x: 1, y: 2}\n")
    file("outer.yaml", "config_paths: [inner.yaml]\nb: outer\nblock: {y: 3}\n")
    file("later.yaml", "c: later\nd: later\n")
    file("env.yaml", "d: env\ne: ${a}\n")
    values = loaded("outer.yaml", "later.yaml", given=("+c=line",))
    assert values == {"a": "inner", "b": "outer", "block": {"x": 1, "y": 3}, "c": "line", "d": "env", "e": "inner"}


def test_everything_that_is_missing_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    file(
        "a.yaml", "a:\n  b: ???\n  c: ${policy_api_key}\nd: [x, '???']\ne: ${oc.env:NOT_SET}\nf: ${oc.env:NOT_SET,5}\n"
    )
    with pytest.raises(ConfigError) as caught:
        loaded("a.yaml")
    for part in ("a.b has no value", "policy_api_key is missing (needed by a.c)", "d.1", "NOT_SET"):
        assert part in str(caught.value)
    assert "f:" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (
            ("+policy_modelname=x",),
            "nothing in the configuration uses it; did you mean policy_model_name",
        ),
        (
            ("+calendar_simple_agent.responses_api_agents.simple_agent.max_steps=0",),
            "max_steps of calendar_simple_agent",
        ),
        (("~calender",), "there is no calender; did you mean calendar"),
        (
            ("+calendar_simple_agent.responses_api_agents.simple_agent.model_server.name=policy",),
            "model_server 'policy' is not configured; did you mean policy_model",
        ),
        (
            ("+calendar_simple_agent.responses_api_agents.other={}",),
            "calendar_simple_agent has 2 implementations, simple_agent, other; keep one",
        ),
    ],
)
def test_what_is_wrong_is_named_with_what_was_meant(given: tuple[str, ...], problem: str) -> None:
    def steps() -> list[int | None]:
        values = loaded(MODEL, "resources_servers/calendar/configs/calendar.yaml", given=(*POLICY, *given))
        return [agent.max_steps for agent in agents(blocks(values))]

    with pytest.raises((ConfigError, BadOverride)) as caught:
        steps()
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [1", "bad.yaml is no YAML"),
        ("just words", "expected names with values"),
        ("- a\n- b", "expected names with values"),
        ("config_paths: {a: 1}", "config_paths is"),
        ("config_paths: [bad.yaml]", "run in a circle"),
        ("config_paths: [nowhere.yaml]", "no file nowhere.yaml"),
        ("{a: " * 2000 + "1" + "}" * 2000, "bad.yaml is nested too deep; write at most 32 levels"),
        ("{a: " * 80 + "1" + "}" * 80, "bad.yaml is nested too deep; write at most 32 levels"),
    ],
)
def test_a_file_that_is_no_configuration_is_named(text: str, problem: str) -> None:
    file("bad.yaml", text)
    with pytest.raises(ConfigError, match=problem):
        loaded("bad.yaml")


def test_a_wrong_path_of_a_shipped_file_is_nearly_right() -> None:
    with pytest.raises(ConfigError, match=r"did you mean resources_servers/calendar/configs/calendar\.yaml"):
        loaded("resources_servers/calender/configs/calender.yaml")


def test_blocks_are_taken_over_from_others() -> None:
    file("a.yaml", "base: {x: 1, y: {z: 2}}\nmine: {_inherit_from: base, x: 3}\nother: ${copy:mine}\n")
    assert loaded("a.yaml") == {"mine": {"x": 3, "y": {"z": 2}}, "other": {"x": 3, "y": {"z": 2}}}
    file("b.yaml", "a: {_copy: b}\nb: {_copy: a}\n")
    with pytest.raises(BadOverride, match="circle"):
        loaded("b.yaml")


def test_settings_that_have_no_effect_are_told_and_none_is_dropped_in_silence() -> None:
    text = """
policy_model:
  responses_api_models:
    vllm_model:
      entrypoint: app.py
      base_url: http://127.0.0.1:9/v1
      api_key: sk-1234
      model: m
      extra_body: {top_k: 5}
      max_concurrent_requests: 3
      uses_reasoning_parser: true
      audio_root: /sounds
      num_workers: 4
      render_chat_template: false
"""
    file("m.yaml", text)
    block = blocks(loaded("m.yaml"))["policy_model"]
    told = " ".join(ignored(block))
    assert all(name in told for name in ("audio_root", "num_workers", "uses_reasoning_parser"))
    assert not any(name in told for name in ("extra_body", "max_concurrent", "entrypoint", "render_chat_template"))
    assert "sk-1234" not in repr(model_of(block).__dict__)


def test_the_dump_masks_the_key_wherever_it_stands(tmp_path: Path) -> None:
    text = "shown: bearer sk-very-secret\nblock: {openai_default_headers: {X-Auth: abc123}}\n"
    (tmp_path / "own.yaml").write_text(text)
    paths = CALENDAR.replace("]", ",own.yaml]")
    policy = [each.replace("sk-1234", "sk-very-secret") for each in POLICY]
    done = ng(tmp_path, "dump_config", paths, *policy)
    assert "sk-very-secret" not in done.stdout + done.stderr
    assert "abc123" not in done.stdout
    assert "org/model" in done.stdout
    assert "max_steps" in done.stdout


def test_a_file_that_is_no_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_bytes(b"\xffa: 1\n")
    done = ng(tmp_path, "run", "+config_paths=[bad.yaml]", status=1)
    assert done.stderr == "error: bad.yaml: byte 1 is no UTF-8; save the file as UTF-8\n"


def test_an_argument_that_is_no_utf8_is_named(tmp_path: Path) -> None:
    for name in ("run", "viewer", "collect_rollouts"):
        done = ng(tmp_path, name, "+x=\udcff\udcfe", status=1)
        assert done.stderr == f"error: argument 1 of ng_{name} holds bytes that are no UTF-8; write it anew\n"


def test_the_deepest_configuration_is_dumped(tmp_path: Path) -> None:
    values = "+" + ".".join(["a"] * 32) + "=" + "{b: " * 31 + "1" + "}" * 31
    done = ng(tmp_path, "dump_config", CALENDAR, *POLICY, values)
    assert "b: 1" in done.stdout


@pytest.mark.parametrize(
    "text", ['policy_api_key: "SECRET\n', "policy_api_key: ${SECRET:x\n", "policy_api_key: ${SECRET:x}"]
)
def test_a_key_in_a_faulty_file_is_not_repeated(text: str) -> None:
    file("bad.yaml", text)
    with pytest.raises(ConfigError, match=r"policy_api_key|bad\.yaml") as caught:
        loaded("bad.yaml")
    assert "SECRET" not in str(caught.value)


def test_no_key_stands_in_what_a_command_prints(tmp_path: Path) -> None:
    given = ["+policy_model_name=m", "+own={openaiApiKey: SECRET, auth: SECRET, pat: SECRET}"]
    url = "+policy_base_url=http://me:SECRET@127.0.0.1:9/v1?api_key=SECRET"
    for name, more in (("dump_config", (url, "+policy_api_key=SECRET")), ("run", (url, "+dry_run=true"))):
        done = ng(tmp_path, name, CALENDAR, *given, *more)
        assert "this is:" in done.stderr
        assert "SECRET" not in done.stdout + done.stderr
    params = '+responses_create_params={metadata: {extra_body: "{}"}, api_key: SECRET}'
    done = ng(
        tmp_path,
        "collect_rollouts",
        "+input_jsonl_fpath=in.jsonl",
        "+output_jsonl_fpath=o.jsonl",
        "+agent_url=http://me:SECRET@127.0.0.1:9/v1?key=SECRET",
        params,
        status=1,
    )
    assert "this is: usergym collect" in done.stderr
    assert "SECRET" not in done.stdout + done.stderr
