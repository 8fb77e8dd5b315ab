"""What the coach says in a call of its own accord: short, in the user's language."""

from collections.abc import Mapping, Sequence
from typing import Final

NOT_CAUGHT: Final = "not_caught"
WORKING: Final = "working"
THINKING: Final = "thinking"
LATE: Final = "late"

_EN: Final[Mapping[str, Sequence[str]]] = {
    NOT_CAUGHT: ("Sorry, I didn't catch that.",),
    WORKING: ("One moment, I'm on it.", "I'm still working on it.", "It takes a little longer, please bear with me."),
    THINKING: ("Let me think for a moment.", "I'm still thinking.", "Just a little longer, please."),
    LATE: ("This takes too long for now. You'll find my answer in the chat.",),
    "speech": ("Sorry, I can't hear well right now. Please say it again.",),
    "speech.timeout": ("Sorry, understanding you took too long. Please say it again.",),
    "speech.limited": ("Sorry, too many people are talking with me. Please say it again in a moment.",),
    "speech.loading": ("My ears are still waking up. Please try again in a minute.",),
    "speech.missing": ("I can't understand speech here. Please write to me in the chat.",),
    "model": ("Sorry, I have trouble finding an answer. Please ask me again in a moment.",),
    "model.timeout": ("Sorry, I took too long to find an answer. Please ask me again.",),
    "model.limited": ("Sorry, I'm being asked a lot right now. Please try again in a minute.",),
    "model.empty": ("Sorry, I found no words for this. Please put it another way.",),
    "chat.busy": ("There is a lot I still have to answer. Please wait a moment.",),
    "rate_limited": ("That was a little too fast for me. Please say it again in a moment.",),
    "": ("Sorry, something went wrong. Please say it again.",),
}
_DE: Final[Mapping[str, Sequence[str]]] = {
    NOT_CAUGHT: ("Entschuldige, das habe ich nicht verstanden.",),
    WORKING: (
        "Einen Moment, ich kümmere mich darum.",
        "Ich bin noch dabei.",
        "Es dauert ein wenig länger, bitte hab Geduld.",
    ),
    THINKING: ("Lass mich kurz nachdenken.", "Ich denke noch nach.", "Nur noch einen Augenblick, bitte."),
    LATE: ("Das dauert mir jetzt zu lange. Du findest meine Antwort im Chat.",),
    "speech": ("Entschuldige, ich höre gerade schlecht. Sag es bitte noch einmal.",),
    "speech.timeout": ("Entschuldige, das Verstehen hat zu lange gedauert. Sag es bitte noch einmal.",),
    "speech.limited": ("Entschuldige, gerade sprechen zu viele mit mir. Sag es bitte gleich noch einmal.",),
    "speech.loading": ("Meine Ohren wachen gerade erst auf. Versuch es bitte in einer Minute noch einmal.",),
    "speech.missing": ("Ich kann hier keine Sprache verstehen. Schreib mir bitte im Chat.",),
    "model": ("Entschuldige, ich finde gerade keine Antwort. Frag mich bitte gleich noch einmal.",),
    "model.timeout": ("Entschuldige, die Antwort hat zu lange gedauert. Frag mich bitte noch einmal.",),
    "model.limited": (
        "Entschuldige, ich werde gerade sehr viel gefragt. Versuch es bitte in einer Minute noch einmal.",
    ),
    "model.empty": ("Entschuldige, dazu fehlen mir die Worte. Sag es bitte anders.",),
    "chat.busy": ("Ich muss noch vieles beantworten. Warte bitte einen Moment.",),
    "rate_limited": ("Das war mir ein wenig zu schnell. Sag es bitte gleich noch einmal.",),
    "": ("Entschuldige, da ging etwas schief. Sag es bitte noch einmal.",),
}
_LANGUAGES: Final = {"en": _EN, "de": _DE}


def phrase(kind: str, language: str, number: int = 0) -> str:
    """For a code as speech.timeout, or one of the kinds above; `number` counts how often it was said in a row."""
    known = _LANGUAGES.get(language.partition("-")[0].lower(), _EN)
    spoken = known.get(kind) or known.get(kind.partition(".")[0]) or known[""]
    return spoken[min(number, len(spoken) - 1)]
