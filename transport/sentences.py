"""What refusals say to people in other languages than the one they are written in; by code, English where one is missing."""

from collections.abc import Sequence
from typing import Final

from actors.runtime.envelope import Refused

ENGLISH: Final = "en"
SENTENCES: Final[dict[str, dict[str, str]]] = {
    "de": {
        "call.busy": "Du sprichst gerade auf einem anderen Gerät. Sag dazu, wenn dieses hier das Gespräch übernehmen soll.",
        "call.not_found": "Ein solches Gespräch gibt es nicht, oder es ist zu Ende.",
        "unavailable.calls": "Hier ist niemand, der hört und spricht, deshalb geht kein Anruf. Schreiben geht.",
        "action.changed": "Seitdem hat sich etwas geändert; das passt nicht mehr.",
        "action.decided": "Das ist schon entschieden.",
        "action.expired": "Das hat zu lange auf eine Antwort gewartet und gilt nicht mehr. Bitte frag noch einmal danach.",
        "action.not_done": "Hier gibt es nichts, das sich zurücknehmen ließe.",
        "auth.code": "Dieser Code stimmt nicht oder wurde schon verwendet.",
        "auth.credentials": "Die Mailadresse oder das Passwort stimmt nicht.",
        "auth.fresh": "Bitte gib dafür dein Passwort noch einmal ein.",
        "auth.mail_taken": "Mit dieser Mailadresse gibt es schon ein Konto.",
        "auth.passkey": "Dieser Passkey ist hier nicht bekannt oder wurde nicht so benutzt, wie es sein soll.",
        "auth.password": "Dieses Passwort ist zu leicht zu erraten, zu kurz oder zu lang.",
        "auth.revoked": "Diese Anmeldung ist beendet. Bitte melde dich neu an.",
        "auth.token": "Dieser Link oder Code gilt nicht mehr. Bitte lass dir einen neuen schicken.",
        "call.candidate": "Über diesen Weg ist ein Anruf nicht zu erreichen.",
        "call.sdp": "Das lässt sich nicht als Anruf annehmen: eine Tonspur in beide Richtungen, mit Opus, und höchstens ein Datenkanal.",
        "chat.answered": "Das ist schon beantwortet.",
        "chat.busy": "Der Coach antwortet noch. Viele Nachrichten warten schon.",
        "chat.no_reply": "Der Coach sagt gerade nichts, das sich anhalten ließe.",
        "conflict": "Das passt nicht zu dem, wie es jetzt ist.",
        "conflict.cid": "Diese cid gehört schon zu einer anderen Anfrage.",
        "export.running": "Deine Daten werden schon zusammengestellt.",
        "conflict.factor": "Es gibt schon einen zweiten Faktor. Entferne ihn, bevor du einen anderen einrichtest.",
        "conflict.no_factor": "Es ist kein zweiter Faktor eingerichtet.",
        "conflict.passkey": "Dieser Passkey ist schon eingetragen.",
        "conflict.passkeys": "Es gibt schon sehr viele Passkeys. Entferne zuerst solche, die nicht mehr benutzt werden.",
        "failed": "Bei uns ging etwas schief. Mit derselben cid noch einmal zu fragen ist gefahrlos.",
        "failed.repeatedly": "Diese Anfrage ist jedes Mal gescheitert und wird nicht mehr versucht.",
        "forbidden": "Das steht dir nicht offen.",
        "forbidden.factor": "Deiner Rolle steht das nur mit einem zweiten Faktor offen. Bitte richte einen ein oder melde dich mit ihm an.",
        "forbidden.own_role": "Niemand ändert die eigene Rolle. Bitte frag jemand anderen aus der Verwaltung.",
        "forbidden.role": "Das steht deiner Rolle nicht offen.",
        "goal.closed": "Dieses Ziel ist nicht offen.",
        "goal.cycle": "Ein Ziel kann nicht in sich selbst liegen.",
        "goal.depth": "Ziele können höchstens acht Ebenen tief liegen.",
        "goal.from_children": "Der Fortschritt dieses Ziels kommt aus seinen Teilen. Trag ihn bei einem von ihnen ein.",
        "goal.has_children": "Dieses Ziel hat eigene Teile. Sag, was aus ihnen wird: cascade=close oder cascade=delete.",
        "goal.open": "Dieses Ziel ist schon offen.",
        "goal.too_many": "Es gibt schon sehr viele Ziele. Entferne zuerst solche, die nicht mehr wichtig sind.",
        "invalid": "Etwas an dieser Anfrage ist nicht, wie es sein soll.",
        "invalid.email": "Das ist keine Mailadresse. Sie sieht aus wie name@example.org, ohne etwas davor oder dahinter.",
        "invalid.command": "Einen solchen Befehl gibt es nicht.",
        "method": "So lässt sich das hier nicht anfragen.",
        "not_acceptable": "Was hier ist, gibt es in keiner der Arten, die du annimmst. Bitte nimm application/json an.",
        "not_found": "Unter diesem Namen gibt es hier nichts.",
        "overloaded": "Gerade ist zu viel los. Bitte versuch es gleich noch einmal.",
        "precondition": "Das hat sich geändert, seit du es gelesen hast.",
        "protocol": "Daraus ließ sich kein Befehl lesen.",
        "protocol.not_joined": "Diese Verbindung ist nirgends angemeldet.",
        "rate_limited": "Das war etwas zu schnell. Bitte warte einen Moment.",
        "timeout": "Das hat zu lange gedauert. Ob es geschah, ist nicht bekannt; mit derselben cid noch einmal zu fragen ist gefahrlos.",
        "too_large": "Das ist größer, als hier angenommen wird.",
        "unauthenticated": "Bitte melde dich an.",
        "unavailable": "Dieser Teil ist gerade nicht erreichbar. Bitte versuch es bald noch einmal.",
        "unavailable.files": "Hier ist kein Platz für Dateien, deshalb geht das nicht.",
        "unsupported": "Diese Art von Inhalt wird hier nicht gelesen. Bitte sende application/json.",
    },
}
"""Language → code → sentence. A new language is a new block here, and nothing else."""


def sentence(refused: Refused | type[Refused], language: str) -> str:
    """What it says in that language, or in English."""
    return SENTENCES.get(language, {}).get(refused.code, refused.message)


def read_languages(header: str) -> str:
    """The best language there is for an Accept-Language (RFC 9110, 12.5.4): by weight, then in order; else English."""
    wanted: list[tuple[float, int, str]] = []
    for place, part in enumerate(header[:500].split(",")):
        tag, _, weight = part.partition(";")
        language = tag.strip().partition("-")[0].lower()
        if language == ENGLISH or language in SENTENCES:
            wanted.append((-_weight(weight), place, language))
    best: Sequence[tuple[float, int, str]] = sorted(one for one in wanted if one[0] < 0)
    return best[0][2] if best else ENGLISH


def _weight(text: str) -> float:
    name, _, value = text.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
