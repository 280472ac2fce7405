"""Own requests: many, varied, and never in two splits."""

import itertools
import re
from string import Formatter

from usergym.environments.style import environment as Style
from usergym.environments.style.requests import KINDS, group_of, requests, templates, topics
from usergym.types import split_of

SPLITS = ("train", "validation", "test")


def test_there_are_forty_templates_over_two_hundred_topics() -> None:
    known = templates()
    written = [text for kind, _ in KINDS for text in getattr(known, kind)]
    assert len(set(written)) == len(written) >= 40
    assert len(set(known.asides)) == len(known.asides) >= 20
    subjects = [subject for topic in topics() for subject in (*topic.things, *topic.tasks, *topic.pairs, topic.text)]
    assert len(set(subjects)) >= 200
    assert len({topic.key for topic in topics()}) == len(topics())


def test_every_template_uses_only_what_a_topic_has() -> None:
    slots = {"things": "x", "tasks": "t", "pairs": "aAb", "writing": "xt", "summaries": ("text",)}
    for kind, known in slots.items():
        for text in getattr(templates(), kind):
            used = {name for _, name, _, _ in Formatter().parse(text) if name is not None}
            assert used, text
            assert used <= set(known), text


def test_every_kind_of_request_comes_without_gaps_and_hardly_ever_twice() -> None:
    drawn = [request for _, request in itertools.islice(requests(None, 4), 2000)]
    assert {request.kind for request in drawn} == {kind for kind, _ in KINDS}
    assert {request.topic for request in drawn} == {topic.key for topic in topics()}
    assert len({request.text for request in drawn}) > 1750
    for request in drawn:
        assert not re.search(r"[{}$]|  |\.\.|^[a-z]", request.text), request.text
        assert len(request.text.split()) <= 100


def test_no_request_says_how_it_wants_to_be_answered() -> None:
    manner = re.compile(
        r"\b(brief\w*|short|concise|in detail|detailed|bullet\w*|list\w*|step by step|simpl\w*|formal\w*|casual\w*|"
        r"poem|emoji\w*|headings?|markdown|one sentence|few words|in a nutshell|paragraphs?)\b",
        re.IGNORECASE,
    )
    known = templates()
    for text in (*known.asides, *(text for kind, _ in KINDS for text in getattr(known, kind))):
        assert not manner.search(text), text


def test_no_topic_is_in_two_splits_and_every_split_has_some() -> None:
    shares = dict.fromkeys(SPLITS, 0)
    for topic in topics():
        shares[split_of(group_of(topic.key), validation=0.1, test=0.1)] += 1
    assert min(shares.values()) >= 5
    seen = {split: list(itertools.islice(Style().tasks(split, 2), 400)) for split in SPLITS}
    for one, other in itertools.combinations(seen.values(), 2):
        assert {task.data["topic"] for task in one}.isdisjoint(task.data["topic"] for task in other)
        assert {task.opening[0].said for task in one}.isdisjoint(task.opening[0].said for task in other)


def test_a_seed_gives_the_same_requests_and_another_seed_others() -> None:
    once, again, other = (
        [request for _, request in itertools.islice(requests("train", seed), 50)] for seed in (3, 3, 4)
    )
    assert once == again
    assert once != other
