"""A watched trace that is kept in memory: what its parts are called, what they are parts of, how they ended."""

from actors.runtime.tracing import Kind, Span


class Noted(Span):
    __slots__ = ("ended", "name", "parts", "problem", "told")

    def __init__(self, name: str, **told: str | int) -> None:
        self.name = name
        self.told = told
        self.parts: list[Noted] = []
        self.ended = False
        self.problem: str | None = None

    def __str__(self) -> str:
        return f"trace of {self.name}"

    def begin(self, name: str, kind: Kind = "internal", **told: str | int) -> Span:
        self.parts.append(Noted(name, **told))
        return self.parts[-1]

    def end(self, problem: str | None = None, **told: str | int) -> None:
        assert not self.ended, "twice"
        self.ended, self.problem = True, problem
        self.told |= told
