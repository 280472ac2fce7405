"""The rows of a data set, where the documented preparation leaves them."""

from pathlib import Path

from settings import Variables

from usergym.data.prepare.users.datasets import Dataset
from usergym.users.states.modes import Mode

WHERE = Path("data/users")
"""Of `usergym prepare users`, with the data set's name."""
PROMPT = {"medium": 7168, "amazon": 7168, "wildchat_english": 7168}
"""Tokens of a prompt; of all others 5,120."""
LARGE = ("reddit",)
"""Of which more is validated and evaluated."""


def data_of(v: Variables, dataset: Dataset, mode: Mode) -> Path:
    """DATA, or the first of the folders that `usergym prepare users` may have left. ValueError where there is none."""
    if v.environ.get("DATA"):
        given = Path(v.text("DATA")).expanduser()
        if not given.exists():
            raise ValueError(f"DATA={given}: there is no such file or folder; check the path")
        return given
    found = next((each for each in _candidates(dataset, mode) if (each / "train.parquet").is_file()), None)
    v.shown["DATA"] = str(found or "")
    if found is None:
        raise ValueError(
            f"there are no rows of {dataset.name} in {WHERE / dataset.name}/rl; make them with: python recipes/usim/"
            f"create_any_dataset.py --dataset {dataset.name}, or give DATA=FOLDER"
        )
    return found


def _candidates(dataset: Dataset, mode: Mode) -> list[Path]:
    """Prompts are made anew from the thread and the persona, so rows of any hierarchy will do."""
    folder = WHERE / dataset.name / "rl"
    names = dict.fromkeys((mode.levels, "sebvgcr", "sebvgcr_wildchat_stronger"))
    first = [folder / name / part for name in names for part in (f"{dataset.percent:g}p", "")]
    return [*first, *(path.parent for path in sorted(folder.glob("**/train.parquet")))]


def prompt_tokens(dataset: Dataset) -> str:
    return str(PROMPT.get(dataset.name, 5120))


def sizes(dataset: Dataset) -> tuple[str, str]:
    """Held-out tasks that are validated on and that are evaluated."""
    return ("1500", "5000") if dataset.name in LARGE else ("500", "2000")
