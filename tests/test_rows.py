import gzip
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.strategies import objects
from usergym.rows import BadRow, Skipped, Writer, read_rows


def rows_of(path, **options):
    return [row for _, row in read_rows(path, **options)]


@pytest.mark.parametrize("ending", ["jsonl", "json", "parquet"])
def test_what_is_written_is_read(tmp_path, ending):
    path = tmp_path / "a" / "b" / f"rows.{ending}"
    rows = [{"n": n, "text": "é" * n, "list": [n, n + 1]} for n in range(2500)]
    with Writer(path) as writer:
        for row in rows:
            writer.write(row)
    assert writer.rows == 2500
    assert rows_of(path) == rows
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(objects, max_size=4))
@pytest.mark.parametrize("ending", ["jsonl", "json"])
def test_any_rows_survive(tmp_path_factory, ending, rows):
    path = tmp_path_factory.mktemp("rows") / f"x.{ending}"
    with Writer(path) as writer:
        for row in rows:
            writer.write(row)
    assert rows_of(path) == rows


def test_compressed_files_and_a_byte_order_mark_are_read(tmp_path):
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(b'\xef\xbb\xbf{"a": 1}\r\n\r\n{"a": 2}'))
    assert [(place.number, row) for place, row in read_rows(path)] == [(1, {"a": 1}), (3, {"a": 2})]
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BadRow, match=r"x\.jsonl\.gz:\d: the compressed file is broken"):
        rows_of(path)


def test_a_streamed_line_is_on_disk_at_once(tmp_path):
    path = tmp_path / "x.jsonl"
    writer = Writer(path)
    writer.write({"a": 1})
    assert rows_of(path) == [{"a": 1}]
    writer.close()
    with Writer(path, append=True) as more:
        more.write({"a": 2})
    assert rows_of(path) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("ending", ["json", "parquet"])
def test_a_list_that_was_not_finished_leaves_the_old_file(tmp_path, ending):
    path = tmp_path / f"x.{ending}"
    with Writer(path) as writer:
        writer.write({"a": 1})
    with pytest.raises(ValueError, match="row 2"), Writer(path) as writer:  # noqa: PT012
        writer.write({"a": 2})
        writer.write({"a": object()})
    assert rows_of(path) == [{"a": 1}]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"a": ', "not JSON"),
        (b"[1]", "expected a JSON object, found a list"),
        (b"null", "found null"),
        (b'"x"', "found a text"),
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b"[" * 100_000, "nested too deeply|not JSON"),
    ],
)
def test_a_bad_line_is_told_with_file_and_line_or_counted(tmp_path, line, problem):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"a": 1}\n' + line + b'\n{"a": 3}\n')
    with pytest.raises(BadRow, match=rf"x\.jsonl:2: .*({problem})"):
        rows_of(path)
    skipped = Skipped()
    assert rows_of(path, skip_bad=True, skipped=skipped) == [{"a": 1}, {"a": 3}]
    assert skipped.count == 1
    assert f"{path}:2: " in str(skipped)


def test_bad_rows_beyond_the_list_are_still_counted(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text("nonsense\n" * 30)
    skipped = Skipped(listed=10)
    assert rows_of(path, skip_bad=True, skipped=skipped) == []
    assert (skipped.count, len(skipped.rows)) == (30, 10)
    assert str(skipped).endswith("and 20 more")


def test_leaving_rows_out_silently_is_refused(tmp_path):
    (tmp_path / "x.jsonl").touch()
    with pytest.raises(ValueError, match="skipped"):
        rows_of(tmp_path / "x.jsonl", skip_bad=True)


def test_lone_surrogates_are_replaced(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": "x\\ud800y"}\n')
    assert rows_of(path) == [{"a": "x\ufffdy"}]


def test_a_list_file_names_the_row_and_a_broken_one_the_line(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('[{"a": 1},\n 3]')
    with pytest.raises(BadRow, match="row 2: expected a JSON object"):
        rows_of(path)
    path.write_text('[{"a": 1},\n {"a": ]')
    with pytest.raises(BadRow, match="line 2 column"):
        rows_of(path, skip_bad=True, skipped=Skipped())
    path.write_text(json.dumps({"a": 1}, indent=2))
    assert rows_of(path) == [{"a": 1}]


def test_a_file_that_is_no_parquet_is_told(tmp_path):
    path = tmp_path / "x.parquet"
    path.write_text("hello")
    with pytest.raises(ValueError, match=r"x\.parquet: not a parquet file, .*; write it again, or name another"):
        rows_of(path)


def test_parquet_takes_columns_that_come_late_and_refuses_mixed_types(tmp_path):
    path = tmp_path / "x.parquet"
    with Writer(path) as writer:
        for n in range(1500):
            writer.write(
                {"a": n, "b": {"c": None}} if n < 1400 else {"a": n / 2, "b": {"c": "late", "d": [1]}, "e": "x"}
            )
    rows = rows_of(path)
    assert rows[0] == {"a": 0.0, "b": {"c": None, "d": None}, "e": None}
    assert rows[-1] == {"a": 749.5, "b": {"c": "late", "d": [1]}, "e": "x"}
    mixed = Writer(path)
    mixed.write({"a": 1})
    mixed.write({"a": "one"})
    with pytest.raises(ValueError, match="one type each"):
        mixed.close()
    assert rows_of(path) == rows
    assert len(list(tmp_path.iterdir())) == 1


def test_an_output_that_cannot_be_written_is_refused_before_any_work(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.jsonl").mkdir()
    for path in (tmp_path / "file" / "x.jsonl", tmp_path / "folder.jsonl", tmp_path / "x.txt"):
        with pytest.raises((OSError, ValueError), match=path.name):
            Writer(path)


def test_a_row_that_json_cannot_hold_is_refused_and_leaves_no_half_line(tmp_path):
    path = tmp_path / "x.jsonl"
    with Writer(path) as writer:
        writer.write({"a": 1})
        with pytest.raises(ValueError, match="row 2"):
            writer.write({"a": object()})
        writer.write({"a": 3})
    assert rows_of(path) == [{"a": 1}, {"a": 3}]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_told(tmp_path):
    path = tmp_path / "x.jsonl"
    writer = Writer(path)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, writer._file.fileno())
    with pytest.raises(OSError, match="No space left"):
        writer.write({"a": 1})
    os.close(full)
