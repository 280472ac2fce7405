"""The judge without a model: exact scorers, a margin, and nothing where no rule is exact."""

import asyncio

import msgspec
import pytest

from usergym.judges.rules import RuleJudge
from usergym.judges.verdicts import Verdict
from usergym.types import Message
from usergym.users.styles.rules import score
from usergym.users.styles.spec import get

ASKED = [Message("user", "How do I boil an egg?")]
PLAIN = "Put the egg into boiling water for eight minutes."
LISTED = "How to boil an egg:\n- boil water\n- put the egg in\n- wait eight minutes"


def compared(judge: RuleJudge, ours: str, theirs: str) -> Verdict:
    return asyncio.run(judge.compare(ASKED, ours, theirs))


def test_the_reply_that_keeps_the_rules_wins() -> None:
    judge = RuleJudge([get("no_lists")])
    assert compared(judge, PLAIN, LISTED).main.outcome == "win"
    assert compared(judge, LISTED, PLAIN).main.outcome == "loss"
    assert compared(judge, PLAIN, PLAIN.replace("eight", "nine")).main.outcome == "tie"
    assert compared(RuleJudge([get("more_lists")]), PLAIN, LISTED).main.outcome == "loss"


def test_a_difference_within_the_margin_is_a_tie() -> None:
    styles = [get("concise_casual_beginner")]
    ours, theirs = PLAIN, PLAIN + " Then" + " put it under cold water" * 15 + "."
    mine, other = score(styles, ours), score(styles, theirs)
    assert mine is not None
    assert other is not None
    difference = abs(mine - other)
    assert difference > 0
    winner = "win" if mine > other else "loss"
    assert compared(RuleJudge(styles, margin=difference - 1e-6), ours, theirs).main.outcome == winner
    assert compared(RuleJudge(styles, margin=difference), ours, theirs).main.outcome == "tie"


def test_silence_keeps_no_style() -> None:
    judge = RuleJudge([get("no_lists")])
    assert compared(judge, "", LISTED).main.outcome == "loss"
    assert compared(judge, LISTED, "").main.outcome == "win"


def test_a_reply_that_is_none_to_its_request_scores_nothing() -> None:
    judge = RuleJudge([get("no_lists")], amiss=lambda asked, said: "" if "egg" in asked and "egg" in said else "off")
    assert compared(judge, "Bananas are yellow and sweet.", PLAIN).main.outcome == "loss"
    assert compared(RuleJudge([get("no_lists")]), "Bananas are yellow and sweet.", PLAIN).main.outcome == "tie"
    assert judge.score(ASKED[0].content, "Bananas are yellow.") == 0.0


def test_where_no_rule_is_exact_there_is_no_verdict() -> None:
    vague = msgspec.structs.replace(get("no_lists"), rules=())
    verdict = compared(RuleJudge([vague]), PLAIN, LISTED)
    assert (verdict.main.outcome, verdict.main.value) == ("cannot_tell", None)


@pytest.mark.parametrize("margin", [-0.1, 1.0, float("nan")])
def test_a_margin_that_is_none_is_refused(margin: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        RuleJudge([get("no_lists")], margin)
