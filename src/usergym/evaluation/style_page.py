"""One HTML page about a style: what was compared, charts by step, and the numbers behind them. It loads nothing."""

from collections.abc import Mapping, Sequence

from usergym import __version__
from usergym.evaluation.gathered import drawable
from usergym.evaluation.standing import Standing
from usergym.types import Record, valid_text


class About(Record, frozen=True):
    """What was compared."""

    style: str
    baseline: str
    judge: str
    """`rules`, or the model that judged."""
    prompts: int
    samples: int = 1
    """Replies to each prompt."""
    notes: tuple[str, ...] = ()


def page(
    about: About, standings: Sequence[Standing], charts: Sequence[tuple[str, str]], colours: Mapping[str, str]
) -> str:
    """`charts`: title and SVG. `colours`: of the styles, in their order."""
    from usergym.evaluation.pages import templates

    template = templates("usergym.evaluation").get_template("style.html.j2")
    made = template.render(
        about=about,
        version=__version__,
        title=drawable(f"{about.style} against {about.baseline}"),
        charts=charts,
        colours=colours,
        styles={style: [each for each in standings if drawable(each.style) == style] for style in colours},
        flat=any(each.step is None for each in standings),
    )
    return valid_text(made)
