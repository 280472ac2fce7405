"""The pages of a study as a real browser shows them: by keyboard alone, on a phone, and kept while one writes."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.serving.browser import Tab, browsing, chromium
from tests.serving.real_http import listening
from tests.serving.study_taker import LONG, SYSTEMS, items, store
from usergym.evaluation.study_records import Item, Said
from usergym.serving.study import study_app
from usergym.serving.study_store import StudyStore

pytestmark = pytest.mark.skipif(chromium is None, reason="needs chromium")

Act = Callable[[Tab, str, StudyStore], Awaitable[None]]

WHERE = """(() => { const e = document.activeElement; return {
  tag: e.tagName, type: e.type ?? "", checked: !!e.checked, name: e.name ?? "", form: e.form?.id ?? "",
  ring: e.matches(":focus-visible") && getComputedStyle(e.nextElementSibling ?? e).outlineStyle
}; })()"""
SMALL = """[...document.querySelectorAll(".points label, button, .tick")].filter((e) => {
  const box = e.getBoundingClientRect(); return box.width < 24 || box.height < 24; }).length"""
WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
SEND = "document.querySelector('#answers button').click()"
JOIN = "document.querySelector('[name=consent]').click(); document.querySelector('form[action=join] button').click()"


def seen(folder: Path, act: Act, **given: Any) -> StudyStore:
    opened = store(folder, **given)
    try:

        async def main() -> None:
            async with listening(study_app(opened)) as url, browsing() as tab:
                await act(tab, url, opened)
                assert not [each for each in tab.asked if not each.startswith((url, "about:"))]

        asyncio.run(main())
    finally:
        opened.close()
    return opened


async def to(tab: Tab, tag: str, form: str) -> dict[str, Any]:
    """Moves on by Tab, answering on the way, until such an element has the focus."""
    for _ in range(60):
        await tab.press("Tab")
        at = await tab.run(WHERE)
        if at["type"] == "radio":
            assert at["ring"] == "solid"
            await tab.press(" ")
            if at["name"].startswith("similarity"):
                await tab.press("ArrowRight", 3)
        elif at["type"] == "checkbox":
            await tab.press(" ")
        elif at["tag"] == "TEXTAREA":
            await tab.write(LONG)
        elif at["tag"] == tag and at["form"] == form:
            return at
    raise AssertionError(f"no {tag} can be reached by keyboard")


def test_a_whole_study_can_be_taken_with_the_keyboard_alone(tmp_path: Path) -> None:
    async def act(tab: Tab, url: str, opened: StudyStore) -> None:
        await tab.size(1280, 900)
        await tab.open(url)
        await to(tab, "BUTTON", "")
        await tab.loads(tab.press("Enter"))
        for _ in range(3):
            await to(tab, "BUTTON", "answers")
            await tab.loads(tab.press("Enter"))
        assert "Thank you" in await tab.run("document.querySelector('h1').textContent")
        assert tab.console == []
        (person,) = opened.progress.people.values()
        assert person.compared() == 2
        compared = [values for (stage, _), values in person.done.items() if stage == "compare"]
        assert {values["similarity_1"] for values in compared} == {"4"}

    seen(tmp_path, act, items_each=2, checks=0)


def test_what_is_filled_in_is_kept_before_it_is_sent_and_survives_the_tab(tmp_path: Path) -> None:
    async def act(tab: Tab, url: str, opened: StudyStore) -> None:
        await tab.open(url)
        await tab.loads(tab.run(JOIN))
        await tab.run("document.querySelector('[name=age][value=\"30 to 44\"]').click()")
        await tab.run("document.getElementById('values').focus()")
        await tab.write("half a thought")
        assert "3 of at least 25 words" in await tab.run("document.getElementById('values-count').textContent")
        await tab.open("about:blank")  # gone before the pause after which a draft is sent
        async with asyncio.timeout(20):
            (person,) = opened.progress.people.values()
            while person.drafts.get(("intake", "")) != {"age": "30 to 44", "values": "half a thought"}:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await tab.open(url)
        assert await tab.run("document.getElementById('values').value") == "half a thought"
        assert await tab.run("document.querySelector('[name=age]:checked').value") == "30 to 44"

    seen(tmp_path, act)


def test_what_is_missing_is_said_at_the_top_where_the_focus_goes_and_beside_each_field(tmp_path: Path) -> None:
    async def act(tab: Tab, url: str, opened: StudyStore) -> None:
        await tab.open(url)
        await tab.loads(tab.run(JOIN))
        await tab.loads(tab.run(SEND))
        assert await tab.run("document.activeElement.id") == "problems"
        assert await tab.run("document.querySelectorAll('#problems li').length") == 4
        assert await tab.run("document.getElementById('age').getAttribute('aria-describedby')") == "age-wrong"
        assert await tab.run(
            "[...document.querySelectorAll('#problems a')].every((a) => document.querySelector(a.hash))"
        )
        await tab.run("document.querySelector('[name=age]').click()")
        assert await tab.run("document.getElementById('age-wrong').textContent") == ""

    seen(tmp_path, act)


def test_on_a_phone_nothing_is_cut_and_everything_can_be_touched(tmp_path: Path) -> None:
    long = {name: f"{'unbroken' * 60} and {place}" for place, name in enumerate(SYSTEMS)}
    made = {
        "i": Item("i", (Said("n" * 200, "x" * 500), Said("HUMAN", "Hm.")), {**long, "a-fourth": "Short."}, "p" * 300)
    }

    async def act(tab: Tab, url: str, opened: StudyStore) -> None:
        await tab.size(360, 740, mobile=True)
        await tab.open(url)
        await tab.loads(tab.run(JOIN))
        for width in (360, 1000, 1280):
            await tab.size(width, 740, mobile=width < 500)
            assert await tab.run(WIDE) == 0
            assert await tab.run(SMALL) == 0
        await tab.loads(tab.run(SEND))
        await tab.size(360, 740, mobile=True)
        assert await tab.run(WIDE) == 0

    seen(tmp_path, act, made=made, questions=())


def test_every_field_has_a_name_for_those_who_hear_the_page_and_no_name_is_a_systems(tmp_path: Path) -> None:
    async def act(tab: Tab, url: str, opened: StudyStore) -> None:
        await tab.open(url)
        await tab.loads(tab.run(JOIN))
        tree = (await tab.call("Accessibility.getFullAXTree"))["nodes"]
        named = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree if not node["ignored"]]
        groups = [name for role, name in named if role in ("group", "radiogroup") and name]
        assert sum(name.startswith("Text A:") for name in groups) == 2
        assert {name for role, name in named if role == "radio"} == set(map(str, range(1, 11)))
        assert all(name for role, name in named if role in ("textbox", "button", "radio", "progressbar"))
        assert not [name for _, name in named for system in SYSTEMS if system in name]

    seen(tmp_path, act, made=items(1), questions=())
