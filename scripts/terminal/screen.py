"""What the terminal shows."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from scripts.terminal.speech import Speech, printable

HELP = "/goals  /history  /undo  /stop (or Ctrl-C: the coach)  /quit"


class Screen:
    """A conversation as it streams in."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._speech = Speech()
        self._speaking: str | None = None
        self._in_line = False
        self._progress: dict[str, str] = {}
        self.mine: set[str] = set()

    def prompt(self) -> None:
        self._end_line()
        self._console.print("[bold cyan]you >[/] ", end="")

    def tell(self, line: str, style: str = "dim") -> None:
        self._end_line()
        self._console.print(Text(printable(line), style=style))

    def delta(self, data: dict[str, Any]) -> None:
        self._begin(data["message_id"])
        self._say(self._speech.heard(data["message_id"], data["index"], data["text"]))

    def message(self, message: dict[str, Any]) -> None:
        """A whole message: the end of a reply, or what the person said on another device."""
        if message["role"] == "coach":
            self._begin(message["id"])
            self._say(self._speech.finished(message["id"], message["text"]))
            self._end_line()
            self._speaking = None
            self._mark(message)
        elif message["text"] not in self.mine:
            self.tell(f"you, elsewhere > {message['text']}")
        self.mine.discard(message["text"])

    def goals(self, goals: Sequence[dict[str, Any]]) -> None:
        if not goals:
            self.tell("No goals yet. Tell your coach what you would like to reach.")
            return
        table = Table(box=None, pad_edge=False)
        for column in ("goal", "progress", "status", "due"):
            table.add_column(column)
        for goal in goals:
            due = goal.get("due") or ""
            table.add_row(Text(printable(goal["title"])), f"{goal['progress']:.0f} %", goal["status"], due)
        self._console.print(table)

    def history(self, messages: Sequence[dict[str, Any]]) -> None:
        """Newest first, as the server lists them; shown oldest first."""
        for message in reversed(messages):
            who = "coach" if message["role"] == "coach" else "you"
            self.tell(f"{who} > {message['text']}", "" if who == "coach" else "cyan")

    def progress(self, data: dict[str, Any]) -> None:
        """A local model on its way: one line for each state and each tenth of what is fetched."""
        line = f"model ({data['part']}): {data['state']}"
        if data["state"] == "fetching" and data["total"]:
            line += f" {100 * data['done'] // data['total'] // 10 * 10} % of {data['total'] / 1e6:.0f} MB"
        if data["problem"]:
            line += f" - {data['problem']}"
        known, self._progress[data["part"]] = self._progress.get(data["part"]), line
        if line != known:
            self.tell(line)

    def _begin(self, message_id: str) -> None:
        if self._speaking != message_id:
            self._speaking = message_id
            self._end_line()
            self._in_line = True
            self._console.print("[bold green]coach >[/] ", end="")

    def _end_line(self) -> None:
        if self._in_line:
            self._console.out("")
        self._in_line = False

    def _say(self, text: str) -> None:
        self._console.out(printable(text), end="", highlight=False)

    def _mark(self, message: dict[str, Any]) -> None:
        marks = [] if message["state"] == "complete" else [message["state"]]
        marks += [message["answered_by"]] if message.get("answered_by") else []
        if message["state"] == "complete" and message.get("problem"):
            marks.append(f"because of {message['problem']}")
        if marks:
            self.tell(f"        {' · '.join(marks)}")
