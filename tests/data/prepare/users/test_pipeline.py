"""From raw rows to the tree that is trained on: columns, splits, previews, a manifest, and nothing lost uncounted."""

import asyncio
import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import pytest

from tests.data.prepare.rows import read, write
from tests.data.prepare.users.threads import MAKERS, PERSONA, job, reddit, said, town
from usergym.data.formats import detect, read_row
from usergym.data.prepare.users.opening import open_people
from usergym.data.prepare.users.pipeline import Preparation
from usergym.data.prepare.users.report import Report
from usergym.data.prepare.users.thinking import Thinker, thoughts_in
from usergym.models.base import ModelError, StopRun
from usergym.models.fake import FakeModel
from usergym.rows import BadRow
from usergym.users.states import parse_states
from usergym.users.states.modes import mode

THOUGHT = (
    "Here we are again, and I care more about this place than most who write below it. I want them to hear me out "
    "before anything is settled, so I will put it plainly."
)


def ran(prepared: Preparation) -> Report:
    return asyncio.run(prepared.run())


def splits(folder: Path) -> dict[str, list[dict[str, Any]]]:
    return {name: read(folder / f"{name}.parquet") for name in ("train", "val", "test", "test_dropout")}


def test_every_text_that_is_read_is_written_or_counted(tmp_path: Path):
    bad = [reddit("", "nobody's"), reddit("one", "only one text"), {"prompt": 3}, reddit("ann", " "), *town(1, 1)]
    report = ran(job(tmp_path, [*town(), *bad]))
    there = splits(tmp_path / "out")
    counts = {name: len(rows) for name, rows in there.items()}
    assert report.written == counts
    assert counts["test"] == counts["test_dropout"] > 5
    kept = sum(counts[part] for part in ("train", "val", "test"))
    assert report.read.total() == 125 == kept + report.left_out.total() + report.broken.total()
    assert report.broken == {"without a user": 1, "of people with too few texts": 1, "with a broken field": 1}
    assert report.left_out["duplicates"] == 1
    assert report.left_out["empty"] == 1
    told = str(report.skipped)
    assert "raw.jsonl:121: field 'user_id': expected whose words these are, found ''" in told
    assert "raw.jsonl:122: field 'user_id': 'one' has 1 usable text; needed are 2" in told
    assert "raw.jsonl:123: field 'prompt'" in told


def test_a_row_for_reinforcement_learning_has_the_documented_columns(tmp_path: Path):
    states = {"stance": "for the ferry", "emotion": "calm"}
    rows = town(persona=PERSONA)
    for row in rows:
        row["metadata"]["states"] = states
    ran(job(tmp_path, rows, dataset="reddit"))
    for split, found in splits(tmp_path / "out").items():
        for row in found:
            assert set(row) == {"data_source", "prompt", "ability", "reward_model", "extra_info", "metadata"}
            info = row["extra_info"]
            documented = "index split target_user_id name persona raw_prompt media_source hierarchy_name post_metrics"
            assert {*documented.split(), "comment_metrics", "post_id", "is_top_level", "post"} <= set(info)
            assert (row["data_source"], row["ability"], row["reward_model"]["style"]) == (
                "reddit",
                "generation",
                "custom",
            )
            assert (info["name"], info["split"], info["hierarchy_name"]) == ("HUMAN", split, "stance")
            assert row["prompt"][0]["role"] == "system"
            assert json.loads(info["raw_prompt"]) == row["prompt"][1:]
            assert info["post"] == row["prompt"][1]["content"]
            assert info["is_top_level"]
            assert row["metadata"]["states"] == states
            assert detect(row) == "humanlm"
            (trajectory,) = read_row(row)
            assert trajectory.turns[-1].said == row["reward_model"]["ground_truth"]
            persona = json.loads(info["persona"])
            assert split == "test_dropout" or persona == PERSONA
            assert all(item in row["prompt"][0]["content"] for items in persona.values() for item in items)


def test_the_dropout_split_is_test_with_less_of_each_persona(tmp_path: Path):
    ran(job(tmp_path, town(persona=PERSONA)))
    there = splits(tmp_path / "out")
    whole = {row["extra_info"]["index"]: row for row in there["test"]}
    assert len(whole) == len(there["test_dropout"])
    for row in there["test_dropout"]:
        twin = whole[row["extra_info"]["index"]]
        assert row["reward_model"] == twin["reward_model"]
        less = json.loads(row["extra_info"]["persona"])
        assert [len(items) for items in less.values()] == [2, 2]


def test_training_rows_can_withhold_parts_of_personas_too(tmp_path: Path):
    ran(job(tmp_path, town(persona=PERSONA), item_dropout=0.5, field_dropout=0.4, test_item_dropout=0.0))
    there = splits(tmp_path / "out")
    assert {len(json.loads(row["extra_info"]["persona"])) for row in there["train"]} == {2}
    assert {len(json.loads(row["extra_info"]["persona"])) for row in there["val"] + there["test"]} == {3}


def test_the_same_rows_in_another_order_give_the_same_files(tmp_path: Path):
    rows = town()
    ran(job(tmp_path / "a", rows))
    ran(job(tmp_path / "b", rows[::-1]))
    for name in ("train", "test", "val", "test_dropout"):
        assert (tmp_path / "a/out" / f"{name}.parquet").read_bytes() == (
            tmp_path / "b/out" / f"{name}.parquet"
        ).read_bytes()


def test_nobody_is_on_two_sides_and_held_out_texts_show_nowhere(tmp_path: Path):
    for by in ("user", "post", "turn"):
        ran(job(tmp_path / by, town(20, 10), by=by, seen=0.2, val=0.1))
        there = splits(tmp_path / by / "out")
        users = {name: {row["extra_info"]["target_user_id"] for row in rows} for name, rows in there.items()}
        posts = {name: {row["extra_info"]["post_id"] for row in rows} for name, rows in there.items()}
        texts = {name: {row["reward_model"]["ground_truth"] for row in rows} for name, rows in there.items()}
        assert there["train"]
        assert there["val"]
        assert not texts["train"] & (texts["test"] | texts["val"])
        assert users["val"] <= users["train"]
        if by == "user":
            assert users["test"] - users["train"]
        else:
            assert users["test"] <= users["train"]
        if by == "post":
            latest = {name: max(row["extra_info"]["timestamp"] for row in there[name]) for name in ("train", "test")}
            assert latest["train"] < latest["test"]
            assert not posts["train"] & posts["test"]
        for row in there["test"] + there["val"]:
            assert row["reward_model"]["ground_truth"] not in json.dumps([each["prompt"][0] for each in there["train"]])


def test_personas_rest_on_training_texts_and_never_on_the_rows_own(tmp_path: Path):
    ran(job(tmp_path, town()))
    there = splits(tmp_path / "out")
    profiles = {row["user"]: row for row in read(tmp_path / "out/personas.jsonl")}
    trained = Counter(row["extra_info"]["target_user_id"] for row in there["train"])
    for user, profile in profiles.items():
        assert profile["source"] == "rules"
        assert len(profile["texts"]) == trained.get(user, 5)
    for row in there["train"]:
        truth = row["reward_model"]["ground_truth"]
        number = truth.split("number ")[1].split("!")[0]
        assert number not in row["extra_info"]["persona"]


def test_people_below_the_minimum_of_evidence_are_left_out_and_counted(tmp_path: Path):
    rows = town(persona=PERSONA)
    for row in rows:
        if row["user_id"] == "user-3":
            row["metadata"] = {"persona": {"interests": ["rowing"], "values": [f"v{n}" for n in range(8)]}}
        if row["user_id"] == "user-4":
            row["metadata"] = {"persona": "Somebody who rows."}
    report = ran(job(tmp_path, rows))
    assert report.people["with fewer than 10 items in their persona"] == 1
    assert report.left_out["of people without a persona that suffices"] == 10
    users = {row["extra_info"]["target_user_id"] for rows in splits(tmp_path / "out").values() for row in rows}
    assert "user-3" not in users
    assert "user-4" in users
    assert report.personas == {"given": 11}


def test_whose_personas_are_taken(tmp_path: Path):
    rows = town(persona=PERSONA)
    for row in rows[:10]:
        del row["metadata"]["persona"]
    assert ran(job(tmp_path / "auto", rows)).personas == {"rules": 1, "given": 11}
    assert ran(job(tmp_path / "own", rows, personas="own")).personas == {"rules": 12}
    given = ran(job(tmp_path / "given", rows, personas="given"))
    assert given.personas == {"given": 11}
    assert given.people["without a persona in their rows"] == 1


def test_a_model_that_fails_for_some_leaves_them_out(tmp_path: Path):
    def answer(messages: Any, *_: object) -> str:
        if "number 3-" in messages[1].content:
            raise ModelError("unavailable", "down")
        quote = messages[1].content.split("\n")[1].split(",")[0]
        item = {"says": "speaks", "text": 0, "quote": quote}
        return json.dumps(
            {"interests": [item] * 5, "values": [item] * 5, "communication": [item], "statistics": []}
            | {"demographics": []}
        )

    report = ran(job(tmp_path, town(), model=FakeModel(answer)))
    assert report.personas == {"model": 11}
    assert report.people["without a persona: the model gave none"] == 1
    assert report.asked.failed == {"unavailable": 1}
    assert "user-3" not in {row["user"] for row in read(tmp_path / "out/personas.jsonl")}


def test_a_row_for_every_level_where_they_are_spread_out(tmp_path: Path):
    found = mode("separate_system_prompt")
    ran(job(tmp_path, town(6, 6, persona=PERSONA), expand=True, mode=found))
    there = splits(tmp_path / "out")
    levels = ("stance", "emotion", "belief", "value", "goal", "communication", "response")
    by_target = Counter(row["extra_info"]["index"] for row in there["train"])
    assert set(by_target.values()) == {7}
    assert {row["extra_info"]["hierarchy_name"] for row in there["test"] + there["val"]} == {"response"}
    for row in there["train"]:
        level = row["extra_info"]["hierarchy_name"]
        asked = [name for name in levels if f"<{name}>" in row["prompt"][0]["content"]]
        assert asked == [level]
    assert len({row["extra_info"]["hierarchy_name"] for row in there["train"][:30]}) > 3


def test_a_row_for_fine_tuning_teaches_the_words_between_their_tags(tmp_path: Path):
    ran(job(tmp_path, town(persona=PERSONA), what="sft", levels="r"))
    truths = {row["completion"] for row in town()}
    for row in splits(tmp_path / "out")["train"]:
        generation = row["generation"]
        assert (generation["role"], generation["name"]) == ("user", "HUMAN")
        states = parse_states(generation["content"], ["response"])
        assert states["response"] in truths
        assert detect(row) == "humanlm"


def test_states_are_taught_where_all_are_known(tmp_path: Path):
    rows = town(persona=PERSONA)
    for row in rows:
        row["metadata"]["states"] = {"stance": "for it", "emotion": "calm"}
    ran(job(tmp_path, rows, what="sft", levels="ser"))
    for row in splits(tmp_path / "out")["train"]:
        states = parse_states(row["generation"]["content"], ["stance", "emotion", "response"])
        assert states.failure is None
        assert states["stance"] == "for it"


def test_without_tags_the_words_stand_alone(tmp_path: Path):
    rows = town(persona=PERSONA)
    ran(job(tmp_path, rows, what="sft", levels="r", tags=False))
    found = splits(tmp_path / "out")["train"]
    assert {row["generation"]["content"] for row in found} <= {row["completion"] for row in rows}
    assert all("<response>" not in row["prompt"][0]["content"] for row in found)


def test_words_that_hold_tags_of_their_own_are_left_out_where_tags_are_taught(tmp_path: Path):
    rows = town(persona=PERSONA)
    rows[0]["completion"] = "I say </response> and <response> no more of it"
    report = ran(job(tmp_path / "a", rows, what="sft", levels="ser", unseen=0.0, seen=0.0, val=0.0))
    assert report.written["train"] == 119
    assert report.left_out["that hold tags of their own"] == 1
    assert ran(job(tmp_path / "b", rows, what="rl", unseen=0.0, seen=0.0, val=0.0)).written["train"] == 120


def test_thoughts_stand_before_the_words_and_what_has_none_is_left_out(tmp_path: Path):
    def answer(messages: Any, *_: object) -> str:
        return "" if "number 3-" in messages[1].content else THOUGHT

    prepared = job(
        tmp_path, town(persona=PERSONA), what="thinking_sft", levels="think_r", thinker=Thinker(FakeModel(answer))
    )
    report = ran(prepared)
    there = splits(tmp_path / "out")
    assert report.left_out["without a thought"] == report.thoughts.failed["empty"] > 0
    for row in there["train"] + there["val"]:
        content = row["generation"]["content"]
        assert content.startswith(f"<think>\n{THOUGHT}\n</think>\n<response>")
        assert "number 3-" not in content
        assert parse_states(content, ["think", "response"]).failure is None
        assert "<think>" in row["prompt"][0]["content"]
    assert all("think>" not in row["generation"]["content"] for row in there["test"])
    again = job(tmp_path / "again", town(persona=PERSONA), what="thinking_sft", levels="think_r")
    again.thinker = Thinker(None, known=thoughts_in(tmp_path / "out" / "thoughts.jsonl"))
    assert ran(again).reused == report.thoughts.answered


def test_thoughts_are_found_again_where_names_were_redacted(tmp_path: Path):
    rows = town(persona=PERSONA)
    options: dict[str, Any] = {"what": "thinking_sft", "levels": "think_r", "redact": ("names",)}
    first = ran(job(tmp_path, rows, thinker=Thinker(FakeModel(lambda *_: THOUGHT)), **options))
    for known in (tmp_path / "out/thoughts.jsonl", tmp_path / "out/train.parquet"):
        again = job(tmp_path / known.stem, rows, thinker=Thinker(None, known=thoughts_in(known)), **options)
        assert ran(again).written["train"] == first.written["train"]


def test_two_people_who_say_the_same_are_two(tmp_path: Path):
    rows = town(persona=PERSONA)
    for user in ("user-0", "user-1"):
        rows.append({**rows[0], "user_id": user, "completion": "Just so, dear neighbour."})
    report = ran(job(tmp_path, rows, unseen=0.0, seen=0.0, val=0.0))
    assert report.written["train"] == 122
    indexes = [row["extra_info"]["index"] for row in splits(tmp_path / "out")["train"]]
    assert sorted(indexes) == list(range(122))


def test_a_stop_ends_the_run_and_touches_no_file(tmp_path: Path):
    def answer(*_: object) -> str:
        raise StopRun("the budget is spent")

    with pytest.raises(StopRun, match="budget"):
        ran(job(tmp_path, town(), model=FakeModel(answer)))
    assert not (tmp_path / "out").exists()


def test_leaks_end_it_unless_they_are_allowed_or_taken_out(tmp_path: Path):
    rows = town(20, 10)
    truth = "this very sentence is what the held out person wrote in the end"
    for row in rows:
        if row["user_id"] == "user-0":
            row["metadata"]["persona"] = {**PERSONA, "analysis": [f"says: {truth}", "and more"]}
        if row["user_id"] == "user-1":
            row["completion"] = f"{truth}, {row['completion']}"
    rows.append({**rows[20], "prompt": [said("x", "I quote: quite a long text that stands here twice, word for word")]})
    rows[-1]["completion"] = "quite a long text that stands here twice, word for word"
    with pytest.raises(
        ValueError, match="personas with 8 words in a row of a held-out text; 1 texts that stand in their"
    ):
        ran(job(tmp_path / "fail", rows, by="turn", seen=0.3))
    assert not (tmp_path / "fail/out").exists()
    allowed = ran(job(tmp_path / "allow", rows, by="turn", seen=0.3, leaks="allow"))
    assert allowed.leak_counts == {"persona": 3, "prompt": 1, "split": 0}
    manifest = json.loads((tmp_path / "allow/out/manifest.json").read_text())
    assert manifest["leaks"] == {"persona": 3, "prompt": 1, "split": 0, "taken_out": 0}
    assert {leak["user"] for leak in manifest["leak_list"]} == {"user-0", "user-2"}
    ran(job(tmp_path / "drop", rows, by="turn", seen=0.3, leaks="drop"))
    told = json.dumps(splits(tmp_path / "drop/out"))
    assert f"says: {truth}" not in told
    assert "and more" in told
    assert "quite a long text" not in told


SAME = "I have said it before and I will say it again: the ferry must never leave before seven"


@pytest.mark.parametrize(
    ("text", "who", "leaks"),
    [
        (SAME, ("user-0",), True),
        (SAME, ("user-0", "user-1"), True),
        ("Well, no thanks then!", ("user-0",), True),
        ("Well, no thanks then!", ("user-0", "user-1"), False),
        ("No!", ("user-0",), False),
    ],
)
def test_the_same_words_under_two_posts_are_a_leak_on_both_sides(
    tmp_path: Path, text: str, who: tuple[str, ...], leaks: bool
):
    rows = town(12, 10, persona=PERSONA)
    for user in who:
        own = sorted((row for row in rows if row["user_id"] == user), key=lambda row: row["timestamp"])
        chosen = own if len(who) == 1 else own[:1] if user == who[0] else own[-1:]
        for row in chosen:
            row["completion"] = text
    report = ran(job(tmp_path / "allow", rows, by="turn", seen=0.3, leaks="allow"))
    assert (report.leak_counts["split"] > 0) == leaks
    ran(job(tmp_path / "drop", rows, by="turn", seen=0.3, leaks="drop"))
    sides = splits(tmp_path / "drop/out")
    held_out = [row for part in ("val", "test") for row in sides[part] if row["extra_info"]["target_user_id"] in who]
    assert leaks != any(row["reward_model"]["ground_truth"] == text for row in held_out)


def test_words_of_which_nothing_can_be_seen_are_left_out_as_empty(tmp_path: Path):
    rows = town(12, 10)
    rows[3]["completion"] = "\u200b\u200b"
    report = ran(job(tmp_path, rows))
    assert report.left_out["empty"] == 1


def test_a_row_of_an_unknown_split_has_a_broken_field(tmp_path: Path):
    rows = town(12, 10)
    rows[3]["split"] = "holdout"
    report = ran(job(tmp_path, rows))
    assert report.broken["with a broken field"] == 1
    assert "found 'holdout'" in str(report.skipped)


def test_redacted_rows_name_nobody(tmp_path: Path):
    rows = town()
    for row in rows:
        row["completion"] += " See https://x.example or mail me@x.example, @opener."
        row["metadata"]["author"] = row["user_id"]
    ran(job(tmp_path, rows, redact=("emails", "handles", "names", "quotes", "urls")))
    for file in (tmp_path / "out").iterdir():
        told = json.dumps(read(file)) if file.suffix == ".parquet" else file.read_text()
        for secret in ('user-0"', "user-11", "x.example", "@opener", "opener7"):
            assert secret not in told, (file, secret)


def test_subsets_have_folders_of_their_own_and_are_drawn_by_the_seed(tmp_path: Path):
    half = ran(job(tmp_path / "half", town(persona=PERSONA), train_percent=50, test_percent=50))
    whole = ran(job(tmp_path / "whole", town(persona=PERSONA)))
    assert half.written["train"] == -(-whole.written["train"] // 2)
    assert half.written["test"] == -(-whole.written["test"] // 2)
    assert half.written["val"] == whole.written["val"]


def test_a_folder_of_splits_is_kept_as_it_is_split(tmp_path: Path):
    rows = town(persona=PERSONA)
    for name, part in (("train", rows[:80]), ("validation", rows[80:90]), ("test", rows[90:])):
        write(tmp_path / "data" / f"{name}-00000.parquet", part)
    report = ran(job(tmp_path, tmp_path / "data"))
    assert (report.split_by, report.written) == ("source", {"train": 80, "val": 10, "test": 30, "test_dropout": 30})
    anew = ran(job(tmp_path / "anew", tmp_path / "data", by="user"))
    assert anew.split_by == "user"
    assert anew.written["train"] > 80


def test_what_was_written_is_read_again(tmp_path: Path):
    rows = town(persona=PERSONA)
    first = ran(job(tmp_path, rows))
    again = ran(job(tmp_path / "again", tmp_path / "out", out=tmp_path / "again/out"))
    assert again.written == first.written
    for name in ("train", "val", "test"):
        before, after = (
            {row["reward_model"]["ground_truth"]: row for row in splits(folder)[name]}
            for folder in (tmp_path / "out", tmp_path / "again/out")
        )
        assert before.keys() == after.keys()
        for truth, row in before.items():
            assert after[truth]["prompt"] == row["prompt"]
            assert after[truth]["extra_info"]["persona"] == row["extra_info"]["persona"]
    ran(job(tmp_path / "sft", tmp_path / "out", what="sft", levels="r", out=tmp_path / "sft/out"))
    back = ran(job(tmp_path / "rl", tmp_path / "sft/out", out=tmp_path / "rl/out"))
    assert back.written == first.written


def test_rows_of_the_hub_are_those_of_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rows = town(persona=PERSONA)
    there = {"train": rows[:80], "unseen_test": rows[80:], "test_dropout": rows[80:]}
    hub = datasets.DatasetDict({name: datasets.Dataset.from_list(part) for name, part in there.items()})
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: hub)
    prepared = job(tmp_path, rows)
    prepared.source = open_people("owner/people")
    report = ran(prepared)
    assert report.read == {"train": 80, "unseen_test": 40}
    assert report.written == {"train": 80, "val": 0, "test": 40, "test_dropout": 40}


@pytest.mark.parametrize("name", MAKERS)
def test_every_data_set_goes_all_the_way(tmp_path: Path, name: str):
    rows = []
    for user in range(6):
        for post in range(6):
            maker = MAKERS[name]()
            made = {**maker, "completion": f"What I think of matter {post} is mine, number {user}."}
            if name == "wildchat_english":
                made["prompt"] = [{**part, "content": f"{part['content']} {user}-{post}"} for part in maker["prompt"]]
            made |= {"post_id": f"post-{post}", "user_id": f"someone{user}"}
            made["metadata"] = {**maker["metadata"], "persona": PERSONA, "message_id": f"<{user}.{post}>"}
            rows.append(made)
    report = ran(job(tmp_path, rows, dataset=name))
    assert sum(report.written[part] for part in ("train", "val", "test")) + report.left_out.total() == 36
    assert report.written["train"] >= 20
    assert splits(tmp_path / "out")["train"][0]["data_source"] == name


def test_mails_that_stand_twice_are_written_once(tmp_path: Path):
    rows = []
    for n in range(20):
        row = {**MAKERS["enron"](), "completion": f"I will see to matter number {n}.", "user_id": f"m{n % 2}@x.example"}
        row["metadata"] = {"message_id": f"<{n}>", "persona": PERSONA}
        rows.append(row)
    other = [{"role": "z@x.example", "content": "Another thread"}]
    rows.append({**rows[0], "prompt": other})
    rows.append({**rows[1], "prompt": other, "metadata": {"message_id": "<99>", "persona": PERSONA}})
    report = ran(job(tmp_path, rows, dataset="enron", min_chars=10))
    assert report.left_out["duplicates"] == 2


def test_a_strict_run_ends_at_the_first_broken_row(tmp_path: Path):
    for number, (row, told) in enumerate(
        [
            (reddit(user_id=None), "raw.jsonl:121: field 'user_id'"),
            (reddit(completion=None), "raw.jsonl:121: field 'completion'"),
            (reddit("one"), "'one' has 1 usable text"),
            (reddit(metadata={"persona": 5}), "field 'persona'"),
        ]
    ):
        with pytest.raises(BadRow, match=told.replace("(", r"\(")):
            ran(job(tmp_path / str(number), [*town(), row], strict=True))
        assert not (tmp_path / str(number) / "out").exists()


def test_rows_without_a_time_cannot_be_split_by_time(tmp_path: Path):
    rows = town()
    rows[0]["timestamp"] = None
    report = ran(job(tmp_path, rows, by="post"))
    assert "expected a time, which --split-by post goes by" in str(report.skipped)
    assert report.broken == {"with a broken field": 1}


def test_nothing_to_train_on_is_told_with_its_reasons_and_touches_nothing(tmp_path: Path):
    rows = [reddit("ann", "@x", post=f"p{n}", prompt=[said("b", f"Hm {n}?")]) for n in range(3)]
    with pytest.raises(ValueError, match=r"nothing to train on in 3 rows \(3 beginning with @\); no file was touched"):
        ran(job(tmp_path, rows, dataset="youtube"))
    assert not (tmp_path / "out").exists()


def test_the_manifest_says_what_was_done_and_refuses_other_settings(tmp_path: Path):
    rows = town(persona=PERSONA)
    ran(job(tmp_path, rows))
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    for name, digest in manifest["sha256"].items():
        assert hashlib.sha256((tmp_path / "out" / f"{name}.parquet").read_bytes()).hexdigest() == digest
    for name, digest in manifest["prompts"].items():
        assert hashlib.sha256((tmp_path / "prompts" / name).read_bytes()).hexdigest() == digest
    assert set(manifest["prompts"]) >= {"sebvgcr.txt", "sebvgcr_stance.txt", "sebvgcr_response.txt"}
    assert "{persona}" in (tmp_path / "prompts/sebvgcr_goal.txt").read_text()
    assert manifest["settings"]["seed"] == 42
    preview = json.loads((tmp_path / "out/train.example.json").read_text())
    assert preview[0]["extra_info"]["split"] == "train"
    before = (tmp_path / "out/train.parquet").stat().st_mtime_ns
    with pytest.raises(ValueError, match=r"prepared with other settings \(seed 42, now 7\)"):
        ran(job(tmp_path, rows, seed=7))
    assert (tmp_path / "out/train.parquet").stat().st_mtime_ns == before
    ran(job(tmp_path, rows))
    ran(job(tmp_path, rows, seed=7, force=True))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"tags": False}, "--no-tag is for one level; sebvgcr has 7"),
        ({"what": "sft", "levels": "sebvgc"}, "sebvgc has no level response"),
        ({"what": "sft", "levels": "think_r"}, "add --thinking-sft"),
        ({"what": "thinking_sft", "levels": "r", "tags": False}, "needs tags"),
        ({"what": "sft", "levels": "r", "expand": True}, "--expand is for rows of reinforcement learning"),
        ({"unseen": 1.0}, "--unseen is 1.0; give a share"),
        ({"seen": 0.7, "val": 0.3}, "leave nothing to train on"),
        ({"train_percent": 0}, "--train-subset-percentage is 0"),
        ({"item_dropout": 1.5}, "--item-dropout-prob is 1.5"),
        ({"texts": 0}, "--persona-texts is 0"),
        ({"min_items": -1}, "--min-items is -1"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_anything_is_read(
    tmp_path: Path, options: dict[str, Any], told: str
):
    with pytest.raises(ValueError, match=told):
        job(tmp_path, [{"not": "read"}], **options)
