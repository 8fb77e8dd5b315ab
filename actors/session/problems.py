"""What the coach says to people when a reply could not be made as it should, one sentence for each code."""

from typing import Final

_SENTENCES: Final = {
    "model.timeout": "I'm sorry, I took too long to find an answer. Please ask me again in a moment.",
    "model.cut": "I'm sorry, I was cut off before I could finish. Please ask me again.",
    "model.limited": "I'm sorry, I'm being asked a lot right now. Please try again in a minute.",
    "model.error": "I'm sorry, something went wrong where my answers are made. Please try again in a moment.",
    "model.refused": "I'm sorry, I was not able to answer this. Putting it another way may help.",
    "model.unreachable": "I'm sorry, I can't be reached properly right now. Please try again in a moment.",
    "model.endless": "I'm sorry, I lost my thread and stopped there. Please ask me again.",
    "model.empty": "I'm sorry, I found no words for this. Please try putting it another way.",
    "reply.failed": "I'm sorry, something went wrong on our side while I was answering. Please ask me again.",
}
_OTHERWISE: Final = "I'm sorry, I could not answer this. Please try again in a moment."
GAP: Final = "\n\n"
"""What stands between what was said and the sentence; no sentence contains it."""

TOO_MANY_STEPS: Final = "I'll stop here for now, as this takes more steps than I make in one go. Shall I carry on?"


def apology(problem: str) -> str:
    """The sentence for people that a failed message ends with; after a `GAP`, if anything was said before."""
    return _SENTENCES.get(problem, _OTHERWISE)


def without_apology(text: str) -> str:
    """What the model itself had said in a failed message: all but its last paragraph, however that was once worded."""
    return text.rpartition(GAP)[0]
