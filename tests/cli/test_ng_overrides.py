import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usergym.cli.ng.overrides import BadOverride, parse, put_together, read_value, removed


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-3", -3),
        ("007", "007"),
        ("1_000", 1000),
        ("0.7", 0.7),
        (".5", 0.5),
        ("1e-3", 0.001),
        ("1.2.3", "1.2.3"),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("null", None),
        ("", ""),
        ("https://host:80/v1?a=b,c", "https://host:80/v1?a=b,c"),
        ("a b", "a b"),
        ("'5'", "5"),
        ('"it\'s"', "it's"),
        (r"'it\'s'", "it's"),
        (r"a\,b", "a,b"),
        ("[a.yaml, b.yaml]", ["a.yaml", "b.yaml"]),
        ("[\n  a,\n  b\n]", ["a", "b"]),
        ("[]", []),
        ("[1,[2,'x,y'],{a: 3}]", [1, [2, "x,y"], {"a": 3}]),
        ("{temperature: 0.7, max_tokens: 2048}", {"temperature": 0.7, "max_tokens": 2048}),
        ('{"temperature":0.7,"url":"http://h:1/v1"}', {"temperature": 0.7, "url": "http://h:1/v1"}),
        ("{a: http://h:1/v1, b: ${c}, d: ${oc.env:E,f}}", {"a": "http://h:1/v1", "b": "${c}", "d": "${oc.env:E,f}"}),
        ("{}", {}),
    ],
)
def test_values_are_read_as_hydra_reads_them(text: str, value: object) -> None:
    found = read_value(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["[a", "{a: 1", "{a}", "'a", "[a]b", "{: 1}", "['a' 'b']"])
def test_a_value_that_is_not_whole_is_told_with_the_right_form(text: str) -> None:
    with pytest.raises(BadOverride, match=r"argument .\+k="):
        parse(f"+k={text}")


@pytest.mark.parametrize("argument", ["limit", "+limit", "++", "=5", "+=5", "+a..b=1", "a b=1", ""])
def test_what_is_no_override_is_told_with_the_right_form(argument: str) -> None:
    with pytest.raises(BadOverride, match="write"):
        parse(argument)


@given(st.text(max_size=40))
def test_any_argument_is_read_or_refused(text: str) -> None:
    for argument in (text, f"+key={text}", f"+key=[{text}]", f"+key={{{text}}}"):
        with contextlib.suppress(BadOverride):
            assert parse(argument).path


_WORDS = ("inf", "nan", "true", "false", "null")
_names = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True).filter(lambda name: name not in _WORDS)
_leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _names
_values = st.recursive(_leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_names, inner, max_size=4))


def _told(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_told, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_told(inner)}" for key, inner in value.items()) + "}"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


@given(_values)
def test_a_value_that_was_written_is_read_back(value: object) -> None:
    assert read_value(_told(value)) == value


def test_nested_keys_and_objects_are_merged() -> None:
    overrides = map(parse, ["+a.b=1", "++a={c: 2}", "a.d.e=[x]", "++a.b=3"])
    assert put_together(overrides) == {"a": {"b": 3, "c": 2, "d": {"e": ["x"]}}}


def test_a_key_given_twice_is_refused_unless_it_replaces() -> None:
    with pytest.raises(BadOverride, match="limit is given twice"):
        put_together(map(parse, ["+limit=1", "+limit=2"]))
    assert put_together(map(parse, ["+limit=1", "++limit=2"])) == {"limit": 2}


def test_a_key_is_deleted_and_one_that_is_not_there_is_named() -> None:
    assert removed({"a": {"b": 1, "c": 2}}, ("a", "b")) == {"a": {"c": 2}}
    with pytest.raises(BadOverride, match=r"~a\.bx: there is no bx|there is no bx"):
        removed({"a": {"b": 1}}, ("a", "bx"))


@pytest.mark.parametrize(
    "argument",
    [
        "+policy_api_key=[SECRET",
        '+policy_token="SECRET',
        "+m.openai_default_headers={Authorization: SECRET",
        "+extra_body={x: {client_secret: SECRET, b",
        "+auth='a' SECRET",
        "+url=['http://me:SECRET@h/v1",
        "+url=['http://h/v1?api_key=SECRET",
    ],
)
def test_a_key_is_never_repeated_in_an_error(argument: str) -> None:
    with pytest.raises(BadOverride) as caught:
        parse(argument)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("argument", ["+x=" + "[" * 3000, "+x=" + "{a: " * 3000, "+x" + ".x" * 3000 + "=1"])
def test_what_is_nested_too_deep_is_told(argument: str) -> None:
    with pytest.raises(BadOverride, match=r"(at most|more than) 32"):
        parse(argument)
