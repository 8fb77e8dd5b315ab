"""What a bench says: one row beside its baseline, its budget, and whether it holds."""

from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.table import Table

from scripts.benchmarks.measure import median

TIMES = "\N{MULTIPLICATION SIGN}"


class Budget(msgspec.Struct, frozen=True):
    """A bound on ours ÷ baseline, or on ours alone where there is no baseline. `rate`: on baseline ÷ ours."""

    limit: float
    kind: str = "ratio"

    def figure(self, ours: float, baseline: float | None) -> float:
        if self.kind == "absolute" or baseline is None:
            return ours
        return baseline / ours if self.kind == "rate" else ours / baseline

    def holds(self, figure: float) -> bool:
        return figure >= self.limit if self.kind == "rate" else figure <= self.limit

    def said(self, unit: str) -> str:
        if self.kind == "absolute":
            return f"≤ {self.limit:g} {unit}"
        return f"≥ {self.limit:g}{TIMES} the rate" if self.kind == "rate" else f"≤ {self.limit:g}{TIMES}"


class Row(msgspec.Struct, frozen=True):
    """`ours` and `baseline` hold one figure per round, in `unit`."""

    name: str
    what: str
    unit: str
    budget: Budget
    ours: Sequence[float]
    baseline: Sequence[float] = ()
    against: str = ""
    note: str = ""

    @property
    def median(self) -> float:
        return median(list(self.ours))

    @property
    def baseline_median(self) -> float | None:
        return median(list(self.baseline)) if self.baseline else None

    @property
    def figure(self) -> float:
        return self.budget.figure(self.median, self.baseline_median)

    @property
    def holds(self) -> bool:
        return self.budget.holds(self.figure)

    def plain(self) -> dict[str, object]:
        """For JSON: what was measured and what was made of it."""
        made = {"median": self.median, "baseline_median": self.baseline_median, "figure": self.figure}
        return {**msgspec.structs.asdict(self), "budget": self.budget.said(self.unit), **made, "holds": self.holds}


def show(rows: Sequence[Row], console: Console) -> None:
    table = Table(title="LifeBuddy benches: medians of alternating rounds")
    table.add_column("row")
    for column in ("ours", "baseline", "ratio", "budget"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("verdict")
    for row in rows:
        baseline = "" if row.baseline_median is None else f"{row.baseline_median:.3g}"
        ratio = "" if row.budget.kind == "absolute" else f"{row.figure:.2f}{TIMES}"
        verdict = "[green]holds" if row.holds else "[red]falls short"
        told = "\n".join(filter(None, (f"{row.name}: {row.what}", row.against and f"  beside {row.against}", row.note)))
        table.add_row(told, f"{row.median:.3g} {row.unit}", baseline, ratio, row.budget.said(row.unit), verdict)
    console.print(table)
