"""A study over real HTTP: nobody learns which system is which, nobody answers for others, and nothing is lost."""

import asyncio
import json
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.terminal import command, environment
from tests.serving.real_http import listening
from tests.serving.study_taker import EVIL, LONG, SYSTEMS, Form, Taker, filled, items, store
from usergym.evaluation.study_answers import Rules
from usergym.evaluation.study_export import export
from usergym.evaluation.study_folder import ANSWERS
from usergym.evaluation.study_progress import read_lines
from usergym.evaluation.study_records import Item, Said, state_fields
from usergym.rollouts.store import RunRefused
from usergym.serving.study import BODY_LIMIT, study_app
from usergym.serving.study_forms import LONGEST, Field, problem, words
from usergym.serving.study_host import check_openness
from usergym.serving.study_store import MOST_LINES, StudyStore, spaced, tidy

Act = Callable[[str, StudyStore], Awaitable[None]]


def run(folder: Path, act: Act, url: str = "", host: str = "127.0.0.1", **given: Any) -> StudyStore:
    opened = store(folder, **given)
    try:

        async def main() -> None:
            async with listening(study_app(opened, url, host)) as address:
                await act(address, opened)

        asyncio.run(main())
    finally:
        opened.close()
    return opened


def test_a_study_is_taken_to_its_end_and_every_answer_is_in_the_file(tmp_path: Path) -> None:
    async def act(url: str, opened: StudyStore) -> None:
        async with Taker(url) as one:
            await one.join()
            assert await one.take() == 1 + 3 * 3
            assert "You compared the texts of 3 conversations" in await one.page()

    run(tmp_path, act, write=40, levels=state_fields())
    lines = list(read_lines(tmp_path / ANSWERS))
    assert Counter(line.event for line in lines) == {"joined": 1, "shown": 10, "assigned": 3, "done": 10}
    stages = [line.stage for line in lines if line.event == "done"]
    assert stages == ["intake", *["write", "annotate", "compare"] * 3]
    found = export(tmp_path, Rules(least_seconds=0))
    assert Counter(answer.system for answer in found.answers) == dict.fromkeys(SYSTEMS, 3)
    assert (found.analysis.checks, found.analysis.checks_failed, found.analysis.finished) == (1, 0, 1)
    assert found.people[0].own["item-0"].keys() == {"reply", *(each.name for each in state_fields())}


def test_what_is_sent_holds_no_system_no_item_and_nobody_elses_code_at_any_stage(tmp_path: Path) -> None:
    codes: list[str] = []

    async def act(url: str, opened: StudyStore) -> None:
        for _ in range(2):
            async with Taker(url) as one:
                await one.page()
                codes.append(await one.join())
                page = await one.page()
                await one.send({"page": "0"})
                await one.send(Form(page).values | {"reason": "x" * (LONGEST + 1)})
                for path in ("/nothing", "/answers.jsonl", "/items.jsonl", "/study.json", "/../items.jsonl", "/save"):
                    await one.ask("GET", path)
                await one.save(page=0, field="age", value="x")
                await one.save(page=9, field="age", value="x")
                await one.take()
                for path in ("/study.css", "/study.js", "/health"):
                    await one.ask("GET", path)
                everything = "\n".join(one.seen)
                for name in (*SYSTEMS, "item-", "similarity_0", *codes[:-1], *opened.progress.people):
                    assert name not in everything
                assert codes[-1] in everything

    run(tmp_path, act, write=10, levels=state_fields())
    kept = (tmp_path / ANSWERS).read_text()
    assert not [name for name in (*SYSTEMS, *map(tidy, codes)) if name in kept]


def test_what_was_said_is_shown_as_words_and_no_element_comes_of_it(tmp_path: Path) -> None:
    async def act(url: str, opened: StudyStore) -> None:
        async with Taker(url) as one:
            await one.join()
            _, page = await one.send(filled(await one.page(), f"{LONG} {EVIL}"))
            _, page = await one.send(filled(page, f"{LONG} {EVIL}") | {"similarity_1": EVIL})
            assert Form(page).values["reason"].strip() == f"{LONG} {EVIL} 1"
            read = Form(page)
            assert not read.elements & {"img", "iframe", "object", "style"}
            assert not {"onerror", "onclick", "onload"} & read.attributes
            assert page.count("<script") == 1
            assert "{{ 7*7 }}" in page

    run(tmp_path, act)


def test_nobody_answers_for_somebody_else(tmp_path: Path) -> None:
    async def act(url: str, opened: StudyStore) -> None:
        async with Taker(url) as one, Taker(url) as other, Taker(url) as nobody:
            code = await one.join()
            await other.join()
            first, second = opened.progress.people.values()
            page = await one.page()
            for taker in (other, nobody):
                values = filled(page) | {"participant": first.participant, "code": code, "item": "item-1"}
                await taker.ask("POST", f"/answer?code={code}", data=values)
            assert await nobody.save(page=0, field="age", value="18 to 29") == 409
            assert (len(first.done), len(first.drafts)) == (0, 0)
            assert list(second.done) == [("intake", "")]
            for guess in ("", "AAAA", first.participant, code[:-1], code[:-1] + "A" * (code[-1] != "A"), "x" * 5000):
                status, text = await nobody.ask("POST", "/resume", data={"code": guess})
                assert (status, "No such code" in text) == (403, True)
            nobody.session.cookie_jar.update_cookies({"study": first.participant})
            assert "Taking part" in await nobody.page()

    run(tmp_path, act)


def test_a_page_of_elsewhere_cannot_answer_and_another_name_is_not_this_study(tmp_path: Path) -> None:
    async def act(url: str, opened: StudyStore) -> None:
        async with Taker(url) as one:
            await one.join()
            values = filled(await one.page())
            (person,) = opened.progress.people.values()
            for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
                status, _ = await one.ask("POST", "/answer", data=values, headers={"Origin": origin})
                assert status == 403
                status, _ = await one.ask("POST", "/save", json={}, headers={"Origin": origin})
                assert status == 403
            assert (await one.ask("GET", "/", headers={"Host": "evil.example"}))[0] == 403
            assert not person.done
            for origin in (url, "http://study.example.org"):
                await one.ask("POST", "/answer", data=values, headers={"Origin": origin})
            assert len(person.done) == 1
            assert (await one.ask("GET", "/", headers={"Host": "study.example.org"}))[0] == 200

    run(tmp_path, act, url="http://study.example.org")


def test_a_code_goes_on_where_one_stopped_on_another_device_with_what_was_not_sent_yet(tmp_path: Path) -> None:
    async def act(url: str, opened: StudyStore) -> None:
        async with Taker(url) as one, Taker(url) as two:
            code = await one.join()
            await one.send(filled(await one.page()))
            page = await one.page()
            assert await one.save(page=1, field="reason", value="half a thou") == 200
            assert await one.save(page=1, field="similarity_2", value="7") == 200
            status, _ = await two.ask("POST", "/resume", data={"code": f" {code.lower().replace('-', ' ')} "})
            assert status == 200
            again = await two.page()
            assert Form(again).values["reason"].strip() == "half a thou"
            assert Form(again).values["similarity_2"] == "7"
            texts = re.compile(r'class="said">(Reply.*?)</div>', re.DOTALL)
            assert texts.findall(again) == texts.findall(page)
            await two.ask("POST", "/leave")
            assert "Taking part" in await two.page()

    run(tmp_path, act)


def test_an_answer_that_is_sent_twice_or_late_counts_once(tmp_path: Path) -> None:
    async def act(url: str, opened: StudyStore) -> None:
        async with Taker(url) as one:
            await one.join()
            values = filled(await one.page())
            for _ in range(3):
                await one.send(values)
            (person,) = opened.progress.people.values()
            assert list(person.done) == [("intake", "")]
            assert await one.save(page=0, field="age", value="18 to 29") == 409

    run(tmp_path, act)


def test_an_answer_that_is_missing_too_short_or_no_choice_is_asked_for_again_and_the_rest_is_kept(
    tmp_path: Path,
) -> None:
    async def act(url: str, opened: StudyStore) -> None:
        async with Taker(url) as one:
            await one.join()
            page = await one.page()
            status, text = await one.send(filled(page) | {"values": "too few words", "age": "a thousand"})
            assert status == 422
            assert "at least 25 words; these are 3" in text
            assert Form(text).values["manner"].strip() == f"{LONG} 0"
            assert Form(text).values["values"].strip() == "too few words"
            status, text = await one.send(filled(page) | {"values": "word " * 30})
            assert "same few words" in text
            (person,) = opened.progress.people.values()
            assert not person.done

    run(tmp_path, act)


def test_enormous_and_senseless_answers_are_refused_and_the_server_goes_on(tmp_path: Path) -> None:
    async def act(url: str, opened: StudyStore) -> None:
        async with Taker(url) as one:
            await one.join()
            page = await one.page()
            status, text = await one.send(filled(page) | {"values": "word " * (LONGEST // 5 + 1)})
            assert status == 422
            assert "please keep it under" in text
            assert (await one.send(filled(page) | {"values": "x" * BODY_LIMIT}))[0] == 413
            assert await one.save(page=0, field="values", value="x" * (LONGEST + 1)) == 422
            for draft in ({"page": 0}, {"page": "0", "field": "age", "value": "x"}, [], "x", {"page": 10**30}):
                assert (await one.ask("POST", "/save", json=draft))[0] == 422
            for body in (b"\xff\xfe=\xff", b"&" * 5000, b"a=" + b"%zz" * 99, b"[" * 100_000):
                assert (await one.ask("POST", "/answer", data=body))[0] < 500
                assert (await one.ask("POST", "/save", data=body))[0] in (413, 422)
            for field in ("nothing", "similarity_1", "__class__"):
                assert await one.save(page=0, field=field, value="1") == 422
            assert await one.save(page=0, field="age", value="a thousand") == 422
            assert (await one.ask("DELETE", "/"))[0] == 405
            (person,) = opened.progress.people.values()
            assert not person.done
            assert await one.take() == 4

    run(tmp_path, act)


def test_somebody_who_sends_without_end_is_stopped_and_can_still_finish(tmp_path: Path) -> None:
    async def act(url: str, opened: StudyStore) -> None:
        async with Taker(url) as one:
            await one.join()
            (person,) = opened.progress.people.values()
            person.lines = MOST_LINES
            assert await one.save(page=0, field="values", value="more") == 429
            assert await one.take() == 4

    run(tmp_path, act)


def test_every_item_gets_its_raters_and_every_place_each_system(tmp_path: Path) -> None:
    async def act(url: str, opened: StudyStore) -> None:
        for _ in range(8):
            async with Taker(url) as one:
                await one.join()
                await one.take()

    opened = run(tmp_path, act, made=items(6), raters=4, questions=())
    people = opened.progress.people.values()
    assert Counter(each.item for person in people for each in person.assigned) == {f"item-{n}": 4 for n in range(6)}
    at = Counter(
        (place, system) for person in people for each in person.assigned for place, system in enumerate(each.order)
    )
    assert set(at) == {(place, system) for place in range(3) for system in range(3)}

    async def late(url: str, opened: StudyStore) -> None:
        async with Taker(url) as one:
            await one.join()
            assert "Nothing to compare at the moment" in await one.page()

    run(tmp_path, late, made=items(6), raters=4, questions=())


def test_a_study_by_invitation_lets_in_its_codes_and_each_of_them_once(tmp_path: Path) -> None:
    async def act(url: str, opened: StudyStore) -> None:
        async with Taker(url) as one, Taker(url) as again, Taker(url) as stranger:
            assert len(set(opened.codes)) == 2
            code = await one.join(spaced(opened.codes[0]))
            assert tidy(code) == opened.codes[0]
            await one.send(filled(await one.page()))
            await again.join(opened.codes[0])
            assert "Compare the texts" in await again.page()
            assert len(opened.progress.people) == 1
            status, text = await stranger.ask("POST", "/join", data={"consent": "yes", "code": "ABCD" * 4})
            assert (status, "No such code" in text) == (403, True)
            status, text = await stranger.ask("POST", "/join", data={"code": opened.codes[1]})
            assert (status, "tick the box" in text) == (422, True)

    run(tmp_path, act, invite=2)
    assert (tmp_path / "codes.txt").stat().st_mode & 0o077 == 0
    assert (tmp_path / "secret").stat().st_mode & 0o077 == 0
    assert tmp_path.stat().st_mode & 0o077 == 0


def test_without_consent_nobody_is_part_of_the_study_and_a_full_one_takes_no_more(tmp_path: Path) -> None:
    async def act(url: str, opened: StudyStore) -> None:
        async with Taker(url) as one, Taker(url) as two:
            status, _ = await one.ask("POST", "/join", data={})
            assert (status, len(opened.progress.people)) == (422, 0)
            await one.join()
            status, text = await two.ask("POST", "/join", data={"consent": "yes"})
            assert (status, "full" in text, len(opened.progress.people)) == (422, True, 1)

    run(tmp_path, act, participants=1)


def test_a_full_disk_is_told_and_the_answer_is_not_taken_for_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(url: str, opened: StudyStore) -> None:
        async with Taker(url) as one:
            await one.join()
            values = filled(await one.page())

            def full(row: object) -> None:
                raise OSError("cannot write: no space left")

            with monkeypatch.context() as patched:
                patched.setattr(opened._file, "write", full)
                status, text = await one.send(values)
                assert (status, "could not be kept" in text) == (503, True)
            (person,) = opened.progress.people.values()
            assert not person.done
            await one.send(values)
            assert len(person.done) == 1

    run(tmp_path, act)


def test_a_study_that_has_begun_refuses_other_items_other_questions_and_a_second_server(tmp_path: Path) -> None:
    first = store(tmp_path)
    with pytest.raises(RunRefused, match="another process"):
        store(tmp_path)
    first.close()
    with pytest.raises(RunRefused, match="the items"):
        store(tmp_path, items(2))
    with pytest.raises(RunRefused, match="reason_words"):
        store(tmp_path, reason_words=9)
    store(tmp_path, raters=9).close()
    again = StudyStore.reopen(tmp_path, {"raters": 11})
    assert (again.settings.raters, again.settings.reason_words) == (11, 5)
    again.close()
    other = tmp_path / "other"
    other.mkdir()
    (other / "trajectories.jsonl").touch()
    with pytest.raises(RunRefused, match="something else"):
        store(other)


def test_others_come_in_only_where_somebody_said_so() -> None:
    check_openness("127.0.0.1", "", False, False)
    check_openness("0.0.0.0", "", True, False)
    check_openness("0.0.0.0", "", False, True)
    for host, url in (("0.0.0.0", ""), ("127.0.0.1", "https://study.example.org")):
        with pytest.raises(ValueError, match="--invite N"):
            check_openness(host, url, False, False)


@settings(max_examples=60)
@given(st.text(max_size=400), st.integers(0, 20))
def test_an_answer_is_taken_exactly_where_it_has_words_enough(text: str, least: int) -> None:
    found = words(text)
    told = problem(Field("f", "Why?", "words", (), least), text)
    assert ("at least" in told) == (len(found) < least)
    assert all(any(map(str.isalnum, word)) for word in found)


@pytest.mark.parametrize("made", [{"truth": "What they really wrote."}, {"truth": ""}])
def test_texts_are_likened_to_the_truth_where_it_is_known_and_else_to_the_person(
    tmp_path: Path, made: dict[str, str]
) -> None:
    async def act(url: str, opened: StudyStore) -> None:
        async with Taker(url) as one:
            await one.join()
            page = await one.page()
            assert ("What they really wrote." in page) == bool(made["truth"])
            assert ("similar is it to what the person really wrote" in page) == bool(made["truth"])
            assert ("fit this person" in page) != bool(made["truth"])

    run(tmp_path, act, made=items(3, **made), questions=())


def test_the_truth_is_not_shown_to_those_who_write_their_own_reply_first(tmp_path: Path) -> None:
    async def act(url: str, opened: StudyStore) -> None:
        async with Taker(url) as one:
            await one.join()
            page = await one.page()
            assert "What would you write?" in page
            assert "Reply 0" not in page
            assert "Grumpy." not in page
            _, page = await one.send(filled(page))
            assert "What you wrote" in page
            assert LONG in page
            await one.take()
            assert "What they really wrote." not in "".join(one.seen)

    run(tmp_path, act, made=items(3, truth="What they really wrote."), questions=(), write=20)


@contextmanager
def served(folder: Path, *arguments: object) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    call = command("study", "serve", *arguments, "--port", 0, "--json")
    with subprocess.Popen(call, cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield json.loads(process.stdout.readline())["url"], process
        finally:
            process.kill()


def test_kill_nine_loses_no_answer_and_no_draft_and_the_code_goes_on(tmp_path: Path) -> None:
    made = [Item(f"i{n}", (Said("Ann", "So?"),), {"owl-one": "Yes.", "fox-two": "No."}) for n in range(3)]
    (tmp_path / "items.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, made)))

    async def first(url: str, process: "subprocess.Popen[str]") -> str:
        async with Taker(url) as one:
            code = await one.join()
            await one.send(filled(await one.page()))
            await one.send(filled(await one.page()))
            await one.page()
            assert await one.save(page=2, field="reason", value="kept though nobody sent it") == 200
            process.send_signal(signal.SIGKILL)
            process.wait()
            with pytest.raises(aiohttp.ClientError):
                await one.page()
            return code

    with served(tmp_path, "items.jsonl", "--out", "study") as (url, process):
        code = asyncio.run(first(url, process))
    file = tmp_path / "study" / ANSWERS
    file.write_bytes(file.read_bytes() + b'{"at":1.0,"partic')

    async def second(url: str) -> None:
        async with Taker(url) as one:
            await one.ask("POST", "/resume", data={"code": code})
            page = await one.page()
            assert "Page 3 of 4" in page
            assert Form(page).values["reason"].strip() == "kept though nobody sent it"
            assert await one.take() == 2

    with served(tmp_path, "--out", "study") as (url, _):
        asyncio.run(second(url))
    assert Counter(line.event for line in read_lines(file)) >= Counter({"done": 4, "saved": 1, "joined": 1})
