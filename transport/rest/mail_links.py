"""The pages that links in letters lead to: an address is confirmed, a password set. Nothing comes from elsewhere.

The token stands behind `#`, which browsers keep to themselves: a script hands it over when the person says so, not
before, since programs that look for viruses open links too.
"""

import base64
import hashlib
import json
from functools import partial
from html import escape
from string import Template
from typing import Final, Literal

from aiohttp import hdrs, web

from transport.rest.doors import LANGUAGE
from transport.rest.routes import Route

Page = Literal["verify", "reset-password"]
TO: Final[dict[Page, str]] = {"verify": "/v1/auth/email/verify", "reset-password": "/v1/auth/password/reset"}
"""Where each hands its token to."""
WORDS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "verify": "Confirm your mail address",
        "verify.why": "One click, and it is known that letters reach you.",
        "verify.do": "Confirm",
        "verify.done": "Your mail address is confirmed. You can go back to the app and sign in.",
        "reset-password": "Set a new password",
        "reset-password.why": "At least ten characters; a sentence is best. All your devices will be signed out.",
        "reset-password.do": "Set password",
        "reset-password.done": "Your new password is set. You can go back to the app and sign in with it.",
        "password": "New password",
        "again": "Once more",
        "differ": "These are two different passwords.",
        "missing": "There is no code in this link. Please open it again from the letter.",
        "away": "The server can't be reached. Please try again in a moment.",
        "scripts": "This page needs JavaScript. You can enter the code from the letter in the app instead.",
    },
    "de": {
        "verify": "Deine Mailadresse bestätigen",
        "verify.why": "Ein Klick, und es ist sicher, dass Briefe dich erreichen.",
        "verify.do": "Bestätigen",
        "verify.done": "Deine Mailadresse ist bestätigt. Du kannst zurück zur App gehen und dich anmelden.",
        "reset-password": "Ein neues Passwort setzen",
        "reset-password.why": "Mindestens zehn Zeichen, am besten ein Satz. Alle deine Geräte werden abgemeldet.",
        "reset-password.do": "Passwort setzen",
        "reset-password.done": "Dein neues Passwort gilt. Du kannst zurück zur App gehen und dich damit anmelden.",
        "password": "Neues Passwort",
        "again": "Noch einmal",
        "differ": "Das sind zwei verschiedene Passwörter.",
        "missing": "In diesem Link steht kein Code. Bitte öffne ihn noch einmal aus dem Brief.",
        "away": "Der Server ist nicht zu erreichen. Bitte versuch es gleich noch einmal.",
        "scripts": "Diese Seite braucht JavaScript. Du kannst den Code aus dem Brief stattdessen in der App eingeben.",
    },
}
_STYLE: Final = """
:root{color-scheme:light dark;--edge:#8886;--good:#1a7f37;--bad:#cf222e;--do:#0b57d0}
@media (prefers-color-scheme:dark){:root{--good:#3fb950;--bad:#ff7b72;--do:#8ab4f8}}
*{box-sizing:border-box}
body{font:17px/1.55 system-ui,sans-serif;margin:0;min-height:100vh;display:grid;place-items:center;padding:1.25rem}
main{width:100%;max-width:26rem;border:1px solid var(--edge);border-radius:1rem;padding:2rem}
.brand{margin:0 0 1.2rem;font-size:.95rem;letter-spacing:.03em;opacity:.75}
h1{margin:0 0 .4rem;font-size:1.45rem;line-height:1.25}
label{display:block;margin-top:1rem;font-size:.92rem}
input{display:block;width:100%;margin-top:.3rem;padding:.65rem .75rem;font:inherit;border:1px solid var(--edge);border-radius:.55rem}
button{width:100%;margin-top:1.4rem;padding:.75rem;font:inherit;font-weight:600;border:0;border-radius:.55rem;background:var(--do);color:Canvas;cursor:pointer}
button:disabled{opacity:.5;cursor:default}
:focus-visible{outline:3px solid var(--do);outline-offset:2px}
[role=status]{margin:1.2rem 0 0}
[role=status]:empty,[hidden]{display:none}
.good{color:var(--good)}.bad{color:var(--bad)}
"""
_SCRIPT: Final = """
"use strict";
const form = document.querySelector("form");
const button = form.querySelector("button");
const status = document.querySelector("[role=status]");
const words = JSON.parse(form.dataset.words);
const token = new URLSearchParams(location.hash.slice(1)).get("token");
history.replaceState(null, "", location.pathname);

function tell(text, mood) {
  status.textContent = text;
  status.className = mood;
}

async function hand(fields) {
  const headers = { "Content-Type": "application/json", "Accept-Language": document.documentElement.lang };
  const response = await fetch(form.dataset.to, { method: "POST", headers, body: JSON.stringify(fields) });
  if (!response.ok) return tell((await response.json()).detail, "bad");
  form.hidden = true;
  tell(words.done, "good");
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { again, ...fields } = Object.fromEntries(new FormData(form));
  if (again !== fields.password) return tell(words.differ, "bad");
  button.disabled = true;
  try {
    await hand({ token, ...fields });
  } catch {
    tell(words.away, "bad");
  }
  button.disabled = false;
});
if (token) button.disabled = false;
else tell(words.missing, "bad");
"""
_FIELDS: Final = Template("""<label>$password<input type="password" name="password" autocomplete="new-password" minlength="10" maxlength="256" required autofocus></label>
<label>$again<input type="password" name="again" autocomplete="new-password" required></label>""")
_PAGE: Final = Template("""<!doctype html>
<html lang="$language"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="robots" content="noindex"><title>$title · LifeBuddy</title><style>$style</style></head><body><main>
<p class="brand">LifeBuddy</p>
<h1>$title</h1>
<form data-to="$to" data-words="$words"><p>$why</p>$fields<button disabled>$do</button></form>
<p role="status"></p>
<noscript><p>$scripts</p></noscript>
</main><script>$script</script></body></html>
""")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; connect-src 'self'; "
    f"script-src {_hash(_SCRIPT)}; style-src {_hash(_STYLE)}"
)


async def show(name: Page, request: web.Request) -> web.Response:
    headers = {
        "Content-Security-Policy": POLICY,
        hdrs.CONTENT_LANGUAGE: request[LANGUAGE],
        hdrs.VARY: "Accept-Language",
    }
    return web.Response(text=page(name, request[LANGUAGE]), content_type="text/html", headers=headers)


def page(name: Page, language: str) -> str:
    """The page in a language there is."""
    words = {key: escape(text) for key, text in WORDS[language].items()}
    told = {"done": WORDS[language][f"{name}.done"]} | {
        key: WORDS[language][key] for key in ("differ", "missing", "away")
    }
    return _PAGE.substitute(
        language=language,
        title=words[name],
        why=words[f"{name}.why"],
        do=words[f"{name}.do"],
        scripts=words["scripts"],
        fields=_FIELDS.substitute(words) if name == "reset-password" else "",
        to=TO[name],
        words=escape(json.dumps(told, ensure_ascii=False)),
        style=_STYLE,
        script=_SCRIPT,
    )


_open: Final = partial(Route, "GET", query=None, opens_to="everyone", answer=str, media="text/html")
ROUTES: Final = (
    _open("/verify", "pages.verify", partial(show, "verify"), "Where a person confirms a mail address"),
    _open("/reset-password", "pages.reset", partial(show, "reset-password"), "Where a person sets another password"),
)
