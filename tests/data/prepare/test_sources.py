"""Where rows come from and where they go: splits of a folder, the hub, random order, whole files or none."""

import json
from pathlib import Path

import datasets
import pytest

from tests.data.prepare.rows import asked, chatted, post, prompts, read, wild, write
from usergym.data.prepare.helpsteer import HelpSteer
from usergym.data.prepare.pipeline import Plan, prepare
from usergym.data.prepare.sources import Hub, open_source
from usergym.data.prepare.tldr import CONFIG, SOURCE, Tldr
from usergym.data.prepare.wildchat import WildChat
from usergym.rows import BadRow


@pytest.mark.parametrize("ending", ["jsonl", "json", "parquet"])
def test_the_files_of_a_folder_are_its_splits(tmp_path, ending):
    source = tmp_path / "source" / "data"
    write(source / f"train-00000-of-00002.{ending}", [post("a"), post(None, "b")])
    write(source / f"train-00001-of-00002.{ending}", [post("c")])
    write(source / f"validation-00000-of-00001.{ending}", [post("d")])
    (source / "readme.md").write_text("nothing to read")
    report = prepare(Tldr(), open_source(str(tmp_path / "source")), Plan(tmp_path / "out"))
    assert report.read == {"train": 3, "validation": 1}
    assert [text[0] for text in prompts(tmp_path / "out")] == ["a", "b", "c"]
    assert [text[0] for text in prompts(tmp_path / "out", "validation")] == ["d"]


def test_a_folder_without_a_train_file_and_a_path_that_leads_nowhere_are_refused(tmp_path):
    write(tmp_path / "rows.jsonl", [post("a")])
    with pytest.raises(ValueError, match="no file whose name begins with train"):
        open_source(str(tmp_path))
    for name in (tmp_path / "none.jsonl", "none.jsonl", "./none", "none", "a/b/c"):
        with pytest.raises(ValueError, match="no file or folder"):
            open_source(str(name))
    (tmp_path / "rows.csv").write_text("prompt\na\n")
    with pytest.raises(ValueError, match=r"expected one of \.jsonl"):
        open_source(str(tmp_path / "rows.csv"))


def test_a_random_order_is_that_of_datasets_and_the_same_each_time(tmp_path):
    rows = [asked(f"question {n}") for n in range(60)]
    file = write(tmp_path / "rows.jsonl", rows)
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        prepare(HelpSteer(), open_source(str(file)), Plan(tmp_path / name, seed=seed, held_out=0.0))
    expected = datasets.Dataset.from_list(rows).shuffle(seed=7)["prompt"]
    assert prompts(tmp_path / "a") == prompts(tmp_path / "b") == list(expected)
    assert (tmp_path / "a/train.jsonl").read_bytes() == (tmp_path / "b/train.jsonl").read_bytes()
    assert prompts(tmp_path / "c") != prompts(tmp_path / "a")
    assert sorted(prompts(tmp_path / "c")) == sorted(prompts(tmp_path / "a"))


def test_a_bad_row_in_a_random_order_is_told_where_it_stands(tmp_path):
    write(tmp_path / "s/train-0.jsonl", [asked("a")])
    write(tmp_path / "s/train-1.jsonl", [asked("b"), {"prompt": "c"}])
    with pytest.raises(BadRow, match=r"train-1\.jsonl:2: field 'response'"):
        prepare(HelpSteer(), open_source(str(tmp_path / "s")), Plan(tmp_path / "out", seed=1))


def test_a_limit_is_for_each_split(tmp_path):
    write(tmp_path / "s/train.jsonl", [asked(f"t{n}") for n in range(5)])
    write(tmp_path / "s/validation.jsonl", [asked(f"v{n}") for n in range(5)])
    report = prepare(HelpSteer(), open_source(str(tmp_path / "s")), Plan(tmp_path / "out", limit=2))
    assert report.read == report.written == {"train": 2, "validation": 2}


def test_a_source_with_validation_rows_of_its_own_is_not_split_again(tmp_path):
    write(tmp_path / "s/train.jsonl", [asked("t")])
    write(tmp_path / "s/validation.jsonl", [asked("v")])
    with pytest.raises(ValueError, match=r"has validation rows of its own; leave out --held-out 0\.1"):
        prepare(HelpSteer(), open_source(str(tmp_path / "s")), Plan(tmp_path / "out", held_out=0.1))


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"held_out": 1.0}, {"held_out": -0.1}, {"seed": -1}])
def test_a_plan_that_means_nothing_is_refused(tmp_path, wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"--{name.replace('_', '-')} is"):
        Plan(tmp_path, **wrong)


@pytest.mark.parametrize("name", ["train.jsonl", "validation.jsonl", "prepare.json"])
def test_what_others_wrote_is_not_overwritten(tmp_path, name):
    source = open_source(str(write(tmp_path / "rows.jsonl", [asked("a")])))
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("precious")
    with pytest.raises(ValueError, match=f"{name} is there and was not prepared by these settings"):
        prepare(HelpSteer(), source, Plan(out))
    assert (out / name).read_text() == "precious"
    assert [path.name for path in out.iterdir()] == [name]
    prepare(HelpSteer(), source, Plan(out, force=True))
    assert prompts(out) == ["a"]


def test_the_same_settings_write_again_and_others_are_told_apart(tmp_path):
    source = open_source(str(write(tmp_path / "rows.jsonl", [asked("a"), asked("b" * 9)])))
    prepare(HelpSteer(), source, Plan(tmp_path / "out", held_out=0.0))
    prepare(HelpSteer(), source, Plan(tmp_path / "out", held_out=0.0))
    with pytest.raises(ValueError, match=r"other settings \(max_prompt 2048, now 8\)"):
        prepare(HelpSteer(max_prompt=8), source, Plan(tmp_path / "out", held_out=0.0))
    about = json.loads((tmp_path / "out/prepare.json").read_text())
    assert about["written"] == {"train": 2, "validation": 0}
    assert about["settings"]["rules"] == {"max_prompt": 2048, "max_response": 2048}


def test_the_source_is_never_written_to(tmp_path):
    write(tmp_path / "train.jsonl", [asked("a")])
    with pytest.raises(ValueError, match="must be different files"):
        prepare(HelpSteer(), open_source(str(tmp_path)), Plan(tmp_path, force=True))
    assert read(tmp_path / "train.jsonl") == [asked("a")]


def test_an_error_in_the_middle_leaves_the_files_as_they_were(tmp_path):
    rows = tmp_path / "rows.jsonl"
    out = tmp_path / "new" / "out"
    write(rows, [asked("a")])
    prepare(HelpSteer(), open_source(str(rows)), Plan(out, held_out=0.0))
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    write(rows, [asked("b"), {"prompt": "c"}])
    with pytest.raises(BadRow):
        prepare(HelpSteer(), open_source(str(rows)), Plan(out, held_out=0.0))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    with pytest.raises(BadRow):
        prepare(HelpSteer(), open_source(str(rows)), Plan(tmp_path / "other" / "out"))
    assert not (tmp_path / "other").exists()


def test_an_interrupt_leaves_nothing(tmp_path):
    source = open_source(str(write(tmp_path / "rows.jsonl", [asked("a"), asked("b")])))

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(HelpSteer(), source, Plan(tmp_path / "out"), interrupted)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("rows", [[], [asked("")], [{"prompt": 3}]])
def test_where_nothing_is_left_to_train_on_no_file_is_written(tmp_path, rows):
    source = open_source(str(write(tmp_path / "rows.jsonl", rows)))
    with pytest.raises(ValueError, match="nothing to train on in"):
        prepare(HelpSteer(), source, Plan(tmp_path / "out", skip_bad=True))
    assert not (tmp_path / "out").exists()


def test_odd_bytes_are_read_or_told(tmp_path):
    file = tmp_path / "rows.jsonl"
    lines = [json.dumps(asked(text)).encode() for text in ("with a mark", "a \0 in it", "x" * 3_000_000, "\ud83d half")]
    latin = json.dumps(asked("caf_")).encode().replace(b"_", b"\xe9")
    file.write_bytes(b"\xef\xbb\xbf" + b"\r\n\r\n".join(lines) + b"\n" + latin)
    with pytest.raises(BadRow, match=r"rows\.jsonl:8: expected UTF-8 text"):
        prepare(HelpSteer(), open_source(str(file)), Plan(tmp_path / "out"))
    report = prepare(HelpSteer(), open_source(str(file)), Plan(tmp_path / "out", skip_bad=True, held_out=0.0))
    assert prompts(tmp_path / "out") == ["with a mark", "a \0 in it", "\ufffd half"]
    assert report.skipped.count == 1
    assert report.left_out == {"with a prompt over 2,048 characters": 1}


def hub(monkeypatch, splits, *, script=False):
    """The hub with one data set of real `datasets` type in it."""
    calls = []

    def load_dataset(name, config=None, **options):
        calls.append((name, config, options))
        if script and not options:
            raise RuntimeError("Dataset scripts are no longer supported, but found it.py")
        return datasets.DatasetDict({name: datasets.Dataset.from_list(rows) for name, rows in splits.items()})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return calls


def test_rows_of_the_hub_are_those_of_the_same_files(tmp_path, monkeypatch):
    rows = [wild(f"c{n}", chatted(f"q{n}", "a", "o")) for n in range(30)]
    hub(monkeypatch, {"train": rows})
    file = write(tmp_path / "rows.jsonl", rows)
    for name, source in (("hub", Hub("owner/chats")), ("file", open_source(str(file)))):
        prepare(WildChat(max_chats=20), source, Plan(tmp_path / name, seed=42, held_out=0.2))
    for name in ("train.jsonl", "validation.jsonl"):
        assert (tmp_path / "hub" / name).read_bytes() == (tmp_path / "file" / name).read_bytes()


def test_a_data_set_that_came_with_code_is_read_from_the_hubs_copy(tmp_path, monkeypatch):
    calls = hub(monkeypatch, {"train": [post("a")], "validation": [post("b")], "test": [post("c")]}, script=True)
    report = prepare(Tldr(), open_source(SOURCE, CONFIG), Plan(tmp_path / "out"))
    assert report.read == {"train": 1, "validation": 1}
    assert calls[-1] == (SOURCE, None, {"data_dir": "comparisons", "revision": "refs/convert/parquet"})


def test_a_row_of_the_hub_is_named_by_its_split_and_number(tmp_path, monkeypatch):
    hub(monkeypatch, {"train": [{"prompt": "a", "response": "b"}, {"prompt": "c", "response": None}]})
    with pytest.raises(BadRow, match=r"owner/steer \[train\], row 2: field 'response'"):
        prepare(HelpSteer(), Hub("owner/steer"), Plan(tmp_path / "out"))


def test_a_hub_that_cannot_be_reached_and_one_without_train_are_told_with_a_remedy(tmp_path, monkeypatch):
    hub(monkeypatch, {"test": [post("a")]})
    with pytest.raises(ValueError, match="owner/x has no split train, only test"):
        prepare(Tldr(), Hub("owner/x"), Plan(tmp_path / "out"))

    def nothing(*arguments, **options):
        raise ConnectionError("Couldn't reach it\nat all")

    monkeypatch.setattr(datasets, "load_dataset", nothing)
    with pytest.raises(LookupError, match=r"cannot load owner/x .*Couldn't reach it at all.* give --source FILE"):
        prepare(Tldr(), Hub("owner/x"), Plan(tmp_path / "out"))
    assert not Path(tmp_path / "out").exists()


def test_without_the_package_the_remedy_is_to_install_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(LookupError, match=r"pip install 'usergym\[data\]'"):
        Hub("owner/x").told()
