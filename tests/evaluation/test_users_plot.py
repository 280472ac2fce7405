"""The picture of an evaluation of simulated people."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.evaluation.users_made import said
from usergym.evaluation.users import CONSTANT, Source
from usergym.evaluation.users_plot import picture
from usergym.evaluation.users_scores import Score, Sheet

SOURCES = (
    Source("base"),
    Source("tuned"),
    Source("tuned", "shuffled"),
    Source("tuned", play="spoken"),
    Source(CONSTANT),
)


@pytest.mark.skipif(find_spec("vl_convert") is None, reason="needs the extra plots")
def test_every_source_and_level_is_in_it_and_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    texts = [
        said(f"c{n}", user=f"u{n}", level=level, source=source)
        for source in SOURCES
        for level in ("response", "stance")
        for n in range(8)
    ]
    sheet = Sheet(texts, {"judge": [Score(n % 10 / 10) for n in range(len(texts))]}, ["response", "stance"])
    cells = [sheet.cell(source, level, "judge") for source in SOURCES for level in sheet.levels(source)]
    png, page = picture(cells, tmp_path, "Alignment <by> judge", ["emotion", "stance", "response"])
    assert png.read_bytes()[:4] == b"\x89PNG"
    drawn = page.read_text()
    for text in ("base", "tuned", "another's persona", "the same text always", "stance", "response", "alignment"):
        assert f">{text}<" in drawn
    assert "Alignment &lt;by&gt; judge" in drawn
    assert all(0 < svg.index(">stance<") < svg.index(">response<") for svg in drawn.split("<svg")[1:])
    assert not re.search(r"""(src|href)=["']https?:""", drawn)


def test_without_a_number_there_is_no_picture(tmp_path: Path) -> None:
    texts = [said(lost="unavailable")]
    sheet = Sheet(texts, {"judge": [Score(None)]}, ["stance"])
    assert picture([sheet.cell(texts[0].source, "stance", "judge")], tmp_path, "nothing", ["stance"]) == []
    assert not list(tmp_path.iterdir())
