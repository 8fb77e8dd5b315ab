"""What happened in a run, in numbers, and what was wrong."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.table import Table

SHOWN = 50
"""Findings; all are counted."""


@dataclass
class Hurt:
    """One fault: when it began, and the longest anybody waited for an ack until all were served again."""

    name: str
    at: float
    silence: float = 0.0
    told: str = ""
    """What whoever waited longest was refused with meanwhile."""
    healed: float = 0.0
    """Seconds from its end until everybody was served and up to date."""


@dataclass
class Tally:
    """`refusals` by code are those that were asked again; `findings` are sentences, each once."""

    sent: int = 0
    acked: int = 0
    retried: int = 0
    repeated: int = 0
    unknown_settled: int = 0
    events: int = 0
    signals: int = 0
    replies: int = 0
    by_hand: int = 0
    """Clients that had to be made anew, since they did not come back by themselves."""
    seconds: float = 0.0
    refusals: Counter[str] = field(default_factory=Counter)
    answered_by: Counter[str] = field(default_factory=Counter)
    logged: Counter[str] = field(default_factory=Counter)
    hurts: list[Hurt] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    def found(self, finding: str) -> None:
        if finding not in self.findings:
            self.findings.append(finding)

    def waited(self, seconds: float, refusals: Sequence[str]) -> None:
        """Somebody waited so long for an ack: the newest fault's doing, if there was any yet."""
        self.acked += 1
        if self.hurts and seconds > self.hurts[-1].silence:
            self.hurts[-1].silence = seconds
            self.hurts[-1].told = ", ".join(f"{code} {times}" for code, times in Counter(refusals).most_common())

    def show(self, console: Console) -> None:
        console.print(self._counts())
        if self.hurts:
            console.print(self._faults())
        for finding in self.findings[:SHOWN]:
            console.print(f"[red]FINDING[/] {escape(finding)}", highlight=False, soft_wrap=True)
        console.print("[red]findings, see above[/]" if self.findings else "[green]nothing was lost[/]")

    def _counts(self) -> Table:
        table = Table(box=None, pad_edge=False, show_header=False)
        for name, count in {
            "commands acknowledged": self.acked,
            "sent, with those asked again": self.sent,
            "asked again until acknowledged": self.retried,
            "unknown outcomes settled": self.unknown_settled,
            "asked once more after the ack": self.repeated,
            "durable events seen by devices": self.events,
            "signals seen by devices": self.signals,
            "replies owed and made": self.replies,
            "clients that had to be made anew": self.by_hand,
            "seconds": round(self.seconds),
            "findings": len(self.findings),
        }.items():
            table.add_row(name, f"{count:,}")
        for name, counter in {
            "asked again for": self.refusals,
            "replies by": self.answered_by,
            "nodes logged": self.logged,
        }.items():
            table.add_row(name, ", ".join(f"{key} {count:,}" for key, count in counter.most_common()) or "nothing")
        return table

    def _faults(self) -> Table:
        table = Table("fault", "times", "longest silence", "told meanwhile", "healed after", box=None, pad_edge=False)
        for name in dict.fromkeys(hurt.name for hurt in self.hurts):
            of = [hurt for hurt in self.hurts if hurt.name == name]
            longest, healed = max(of, key=lambda one: one.silence), max(one.healed for one in of)
            table.add_row(name, str(len(of)), f"{longest.silence:.1f} s", longest.told, f"{healed:.1f} s")
        return table
