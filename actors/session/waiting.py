"""Whom the offline coach answered because the model was still on its way: the first of them is answered again."""

from collections.abc import Sequence

from actors.domain.conversation import LOADING, Message


def first_left_waiting(history: Sequence[Message]) -> Message | None:
    """The earliest of the newest answers of the coach that all said the model was loading.

    Once any other answer has followed there is nobody to come back to: the talk has gone on.
    """
    first = None
    for message in reversed(history):
        if message.role == "coach":
            if message.problem != LOADING:
                break
            first = message
    return first
