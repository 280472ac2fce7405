"""What TRL's figures of a batch are without the conversations that were lost, which it takes for rows like others."""

from collections.abc import Collection, Iterator, MutableMapping, Sequence
from contextlib import contextmanager

from usergym.training.played import Member

Metrics = MutableMapping[str, list[float]]

OF_TOKENS = (
    *("entropy", "kl", "cispo_clip_ratio", "clip_ratio/region_mean"),
    *("clip_ratio/low_mean", "clip_ratio/low_min", "clip_ratio/high_mean", "clip_ratio/high_max"),
)
"""Means over the sampled tokens of a forward pass."""


def said(members: Sequence[Member], ends: Collection[int]) -> list[tuple[int, bool]]:
    """Of each conversation that was not lost: its sampled tokens, and whether the last of them is an end."""
    return [(sum(each.mask), each.completion[-1] in ends) for each in members if not each.lost]


def recount(metrics: Metrics, said: Sequence[tuple[int, bool]]) -> None:
    """Puts lengths of what was said in the place of those that TRL has just told; nothing where nothing was said."""
    told = {"completions/clipped_ratio": [float(not ended) for _, ended in said]}
    for name, lengths in (
        ("", [count for count, _ in said]),
        ("terminated_", [count for count, ended in said if ended]),
    ):
        told[f"completions/mean_{name}length"] = [float(length) for length in lengths]
        told[f"completions/min_{name}length"] = [float(min(lengths))] if lengths else []
        told[f"completions/max_{name}length"] = [float(max(lengths))] if lengths else []
    for name, values in told.items():
        _replace_last(metrics, name, [sum(values) / len(values)] if values else [])


@contextmanager
def only_of_tokens(metrics: Metrics, tokens: float) -> Iterator[None]:
    """What TRL tells in the meantime of a forward pass in which `tokens` are learned from: of none there is no mean,
    and zero is none."""
    before = {name: len(metrics[name]) for name in OF_TOKENS if name in metrics}
    yield
    if not tokens:
        for name in OF_TOKENS:
            if len(metrics.get(name, ())) > before.get(name, 0):
                _replace_last(metrics, name, [])


def _replace_last(metrics: Metrics, name: str, values: list[float]) -> None:
    metrics[name][-1:] = values
    if not metrics[name]:
        del metrics[name]
