"""Which split a task is in: a hash of its group decides, never the order in which anything finished."""

import heapq

from usergym.types import Task, split_of, split_rank


def split_of_task(task: Task, validation: float = 0.1, test: float = 0.0) -> str:
    """The split that the loader pinned, else that of the task's group."""
    return task.split or split_of(task.group, validation, test)


class FirstRows:
    """The first `n` rows in hash order, groups whole, in one pass and memory for `n` groups.

    Rows pinned to `validation` are in it and count; other pinned rows are never. A group is not cut, so
    there may be more than `n` rows, never fewer.
    """

    def __init__(self, n: int) -> None:
        if n < 0:
            raise ValueError(f"{n} validation rows; expected 0 or more")
        self.n = n
        self.rows = 0
        """All rows that were seen."""
        self._pinned = 0
        self._kept: dict[int, int] = {}
        self._kept_rows = 0
        self._largest: list[int] = []

    def add(self, task: Task, rows: int = 1) -> None:
        self.rows += rows
        if not rows:
            return
        if task.split is not None:
            self._pinned += rows * (task.split == "validation")
        else:
            self._add(split_rank(task.group), rows)
        while self._largest and self._kept_rows - self._kept[-self._largest[0]] >= self.n - self._pinned:
            self._kept_rows -= self._kept.pop(-heapq.heappop(self._largest))

    def _add(self, place: int, rows: int) -> None:
        if place in self._kept:
            self._kept[place] += rows
        elif self._kept_rows < self.n - self._pinned or (self._largest and place < -self._largest[0]):
            self._kept[place] = rows
            heapq.heappush(self._largest, -place)
        else:
            return
        self._kept_rows += rows

    def check(self) -> None:
        """ValueError when nothing would be left to train on."""
        if self.n and self._pinned + self._kept_rows >= self.rows:
            raise ValueError(
                f"{self.n} validation rows asked of {self.rows}, with groups whole: nothing is left to train on; "
                "ask for fewer"
            )

    def split(self, task: Task) -> str:
        """`validation` or `train`, or what the loader pinned; to be asked after every row was added."""
        return task.split or ("validation" if split_rank(task.group) in self._kept else "train")
