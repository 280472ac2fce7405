"""The heat map as a page: everything that was said is text, also where it would rather be HTML."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usergym.training.signal_figures import LeftOut, Token, TokenSignal
from usergym.types import Message
from usergym.viewer.signal import page, shown, write_page

EVIL = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">\"></span>' onclick='x"
chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def signal(texts: list[str], said: str = "Fine.", control: str | None = "Rain.", end: str = "<|end|>") -> TokenSignal:
    tokens = (*(Token(place, text) for place, text in enumerate(texts)), Token(99, "", end))
    values = tuple(-1.0 + place / 7 for place in range(len(tokens)))
    return TokenSignal(
        said,
        said,
        "constrain",
        (Message("user", said),),
        said,
        control,
        "neutral",
        "".join(texts),
        tokens,
        (-2.0,) * len(tokens),
        values,
        None if control is None else tuple(-2.5 for _ in tokens),
    )


class Read(HTMLParser):
    """What a browser would take for elements, and for the words in the heat maps."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.tips: list[str] = []
        self.heat: list[list[str]] = []
        self.inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        given_ = dict(attrs)
        if given_.get("class") == "heat":
            self.heat.append([])
        self.inside = "data-tip" in given_
        if self.inside:
            self.tips.append(given_["data-tip"] or "")
            self.heat[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.heat[-1][-1] += data


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=12) | st.sampled_from([EVIL, "\n", "&amp;", "{{ 1 }}", "\u202e"]), max_size=8))
def test_whatever_a_reply_says_stands_in_the_page_as_words(texts: list[str]) -> None:
    made = signal(texts, EVIL)
    read = Read(page([made], EVIL))
    wanted = [shown(token).replace("\r", "") for token in made.tokens]
    assert read.heat == [wanted, wanted]
    assert read.elements <= {
        *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "h4", "p", "b", "div", "span"),
        *("section", "article", "table", "thead", "tbody", "tr", "th", "td", "br", "footer"),
    }
    assert not {"onerror", "onclick", "src", "href"} & read.attributes


def test_a_token_tells_its_exact_log_probabilities_under_all_three_contexts() -> None:
    tip = Read(page([signal(["It", " stops"])], "t")).tips[1]
    assert "token 2 of 3, id 1" in tip
    assert re.search(r"log p\(y\|x\) +-2\.0000\n", tip)
    assert re.search(r"log p\(y\|x,o\) +-0\.8571 +signal \+1\.1429\n", tip)
    assert re.search(r"log p\(y\|x,control\) +-2\.5000 +signal -0\.5000\n", tip)
    assert tip.endswith("+1.6429")


def test_reaction_and_control_share_one_scale_and_green_speaks_for() -> None:
    text = page([signal(["a"] * 12)], "t")
    shares = [(kind, int(share)) for kind, share in re.findall(r'<span class="(\w+)" style="--s:(\d+)" data', text)]
    own, beside = shares[:13], shares[13:]
    assert [kind for kind, _ in own] == ["for"] * 13
    assert own[-1][1] == 100
    assert [share for _, share in own] == sorted(share for _, share in own)
    assert set(beside) == {("against", own_share_of(0.5, own))}


def own_share_of(value: float, own: list[tuple[str, int]]) -> int:
    """The share that a signal of `value` has where those of `own` are 1, 1 + 1/7, ... nats."""
    return round(own[0][1] * value)


def test_a_case_without_a_control_and_one_that_was_left_out_are_shown_as_such() -> None:
    left = LeftOut("long<b>", "window", "context, reaction and reply are 900 tokens")
    text = page([signal(["a"], control=None), left], "t")
    assert len(Read(text).heat) == 1
    assert "Control:" not in text
    assert "long&lt;b&gt; left out (window): context, reaction and reply are 900 tokens" in text
    assert "All 0 cases" in page([left], "t")
    assert "The one case" in text


def test_a_reply_that_was_cut_is_marked_and_counted() -> None:
    made = [signal(["a"], said) for said in ("first", "second")]
    text = page(made, "t", cut={"second"})
    assert "1 of 2 replies ends in the middle, cut at --max-tokens" in text
    assert text.count("cut at --max-tokens</span>") == 1
    assert "cut at" not in page(made, "t")


def test_the_page_asks_for_nothing_from_elsewhere() -> None:
    text = page([signal(["a"])], "t")
    assert "default-src 'none'" in text
    assert not re.search(r"https?:|url\(|@import|<link|<script", text)


def test_a_part_of_a_character_is_a_circle_a_line_break_has_a_sign_and_control_characters_are_named() -> None:
    assert shown(Token(1, "", part=(1, 2))) == "◌"
    assert shown(Token(1, "\n\n")) == "↵\n↵\n"
    assert shown(Token(1, "\x1b[31m\u202e")) == "\\x1b[31m\\u202e"
    assert shown(Token(1, "", "<|end|>")) == "<|end|>"


def test_a_page_replaces_the_one_before_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "signal.html"
    write_page(path, [signal(["a"])], "first")
    write_page(path, [signal(["b" * 5000], "x" * 9000)], "second")
    text = path.read_text()
    assert "<title>second</title>" in text
    assert "(5,000 more characters)" in text
    assert [each.name for each in path.parent.iterdir()] == ["signal.html"]


@pytest.mark.skipif(chromium is None, reason="needs chromium")
def test_a_browser_shows_the_page_and_its_console_is_silent(tmp_path: Path) -> None:
    path = tmp_path / "signal.html"
    write_page(path, [signal(["It", EVIL, "\n", " stops."], EVIL, end=EVIL)], "seen by a browser")
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    quiet += ["--disable-background-networking", "--disable-component-update", "--enable-logging=stderr", "--dump-dom"]
    assert chromium
    command = [chromium, *quiet, f"--user-data-dir={tmp_path / 'profile'}", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "<title>seen by a browser</title>" in done.stdout
    assert not [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    assert Read(done.stdout).heat[0][0] == "It"
    assert len(Read(done.stdout).heat[0]) == 5
