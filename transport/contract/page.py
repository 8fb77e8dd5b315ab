"""The page at `/docs`: both documents for people. No scripts, nothing from elsewhere."""

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator
from html import escape
from string import Template
from typing import Any, Final

from transport.contract.schemas import AT, Schema

_STYLE: Final = """
:root{color-scheme:light dark;--line:#8883;--soft:#8881;--dim:#6e7781;--link:#0969da;
--get:#0969da;--post:#1a7f37;--patch:#9a6700;--delete:#cf222e;--send:#8250df}
@media(prefers-color-scheme:dark){:root{--dim:#9198a1;--link:#4493f8;
--get:#4493f8;--post:#3fb950;--patch:#d29922;--delete:#f85149;--send:#ab7df8}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;scroll-padding-top:1rem}
body{margin:0;font:15px/1.55 system-ui,sans-serif;display:grid;grid-template-columns:16rem minmax(0,60rem);gap:3rem}
nav{position:sticky;top:0;height:100vh;overflow-y:auto;padding:1.6rem 1rem 2rem 1.6rem;border-right:1px solid var(--line)}
nav b{display:block;margin:1.1rem 0 .25rem;font-size:.72rem;letter-spacing:.06em;text-transform:uppercase;color:var(--dim)}
nav a{display:block;padding:.1rem 0;color:inherit;text-decoration:none;font-size:.88rem}
nav a:hover{color:var(--link)}
nav strong{font-size:1.15rem}
main{padding:1.6rem 1.6rem 6rem 0}
h1{margin:0 0 .3rem;font-size:1.9rem;letter-spacing:-.02em}
h2{margin:3rem 0 .8rem;font-size:1.25rem;text-transform:capitalize}
h2.plain{text-transform:none}
h4{margin:1.1rem 0 .3rem;font-size:.8rem;color:var(--dim)}
a{color:var(--link)}
code,pre{font:.84rem/1.5 ui-monospace,Menlo,Consolas,monospace}
p code,td code,li code{background:var(--soft);padding:.08rem .3rem;border-radius:.25rem}
pre{margin:0;padding:.8rem 1rem;border:1px solid var(--line);border-radius:.5rem;overflow-x:auto;background:var(--soft)}
details{border:1px solid var(--line);border-radius:.5rem;margin:.45rem 0}
summary{display:flex;gap:.8rem;align-items:baseline;padding:.55rem .9rem;cursor:pointer;list-style:none}
summary::-webkit-details-marker{display:none}
summary:hover{background:var(--soft)}
summary code{font-weight:600;overflow-wrap:anywhere}
summary span{margin-left:auto;text-align:right;color:var(--dim);font-size:.88rem}
.in{padding:.2rem .9rem 1rem;border-top:1px solid var(--line)}
.way{flex:none;width:4.1rem;font:600 .72rem/1.5 ui-monospace,monospace;text-transform:uppercase}
.get{color:var(--get)}.post,.receive{color:var(--post)}.patch,.put{color:var(--patch)}.delete{color:var(--delete)}
.send{color:var(--send)}
table{border-collapse:collapse;width:100%;font-size:.88rem}
th{font-size:.78rem;color:var(--dim);font-weight:600}
th,td{text-align:left;vertical-align:top;padding:.35rem .8rem .35rem 0;border-bottom:1px solid var(--line)}
td:first-child{white-space:nowrap}
.lock{color:var(--dim);font-size:.8rem}
.dim{color:var(--dim)}
@media(max-width:56rem){body{display:block}nav{position:static;height:auto;border:0}nav a{display:inline-block;margin-right:.8rem}main{padding:0 1.2rem 4rem}
summary{flex-wrap:wrap}summary span{margin-left:0;text-align:left;flex-basis:100%}}
"""
POLICY: Final = (
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
)
_PAGE: Final = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>LifeBuddy API</title><style>$style</style></head><body>
<nav><strong>LifeBuddy API</strong>$links</nav>
<main><h1>LifeBuddy API</h1><p class="dim">Version $version</p>
$about
<p>For machines: <a href="/v1/openapi.json">OpenAPI 3.1</a> · <a href="/v1/asyncapi.json">AsyncAPI 3</a></p>
$http
<h2 class="plain" id="sockets">Sockets</h2>$sockets_about
$sockets
<h2 class="plain" id="codes">Codes</h2>
<p>What a refusal may say, by either door. <i>Again</i>: asking once more, later and with the same cid, may work.</p>
<table><tr><th>Code</th><th>HTTP</th><th>Again</th><th>In words</th></tr>$codes</table>
</main></body></html>
""")


def page(http: Schema, sockets: Schema) -> str:
    """The page of an OpenAPI and an AsyncAPI document."""
    groups = {tag["name"]: list(_operations(http, tag["name"])) for tag in http["tags"]}
    return _PAGE.substitute(
        style=_STYLE,
        version=escape(http["info"]["version"]),
        about=_prose(http["info"]["description"]),
        sockets_about=_prose(sockets["info"]["description"]),
        links="".join(_links(groups, sockets)),
        http="".join(f'<h2 id="{tag}">{tag}</h2>{"".join(operations)}' for tag, operations in groups.items()),
        sockets="".join(_messages(sockets)),
        codes="".join(_codes([*http["x-codes"], *sockets["x-codes"]])),
    )


def _links(groups: Iterable[str], sockets: Schema) -> Iterator[str]:
    yield "<b>HTTP</b>"
    yield from (f'<a href="#{tag}">{tag}</a>' for tag in groups)
    yield "<b>Sockets</b>"
    yield from (f'<a href="#socket-{tag}">{tag}</a>' for tag in _tags(sockets))
    yield '<b>Both</b><a href="#codes">codes</a>'


# ── HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _operations(http: Schema, tag: str) -> Iterator[str]:
    for path, methods in http["paths"].items():
        for method, operation in methods.items():
            if tag in operation["tags"]:
                open_to_all = "" if operation["security"] else " · open to all"
                yield _shut(
                    operation["operationId"], method, path, operation["summary"] + open_to_all, _inside(http, operation)
                )


def _inside(http: Schema, operation: Schema) -> Iterator[str]:
    if "description" in operation:
        yield _prose(operation["description"])
    parameters = [one for one in operation["parameters"] if "$ref" not in one]
    if parameters:
        rows = ((one["name"], one["in"], _kind(one["schema"])) for one in parameters)
        yield f"<h4>Parameters</h4>{_table(('Name', 'In', 'Type'), rows)}"
    if "requestBody" in operation:
        yield from _body("Body", http, operation["requestBody"]["content"])
    for status, response in operation["responses"].items():
        if "$ref" not in response:
            yield from _body(f"Answer {status}", http, response.get("content", {}))
    told = sorted({code for one in operation["responses"].values() for code in _told(one)})
    yield f"<h4>May refuse with</h4><p>{' '.join(f'<code>{code}</code>' for code in told)}</p>"


def _body(title: str, document: Schema, content: Schema) -> Iterator[str]:
    given = content.get("application/json")
    if given is None:
        yield f"<h4>{title}</h4><p>{escape(', '.join(content)) or 'Nothing.'}</p>"
        return
    yield f"<h4>{title}</h4>{_fields(document, given['schema'])}<pre>{_json(given['example'])}</pre>"


def _told(response: Schema) -> list[str]:
    if "$ref" in response:
        return str(response["$ref"].rpartition("/")[2]).split("-")
    problem = response.get("content", {}).get("application/problem+json")
    return list(problem["examples"]) if problem else []


# ── sockets ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _messages(sockets: Schema) -> Iterator[str]:
    for tag in _tags(sockets):
        yield f'<h3 id="socket-{tag}">{tag}</h3>'
        for key, one in sockets["operations"].items():
            if key.partition(".")[0] == tag:
                yield _shut(f"socket.{key}", one["action"], key, one["summary"], _message(sockets, key))


def _tags(sockets: Schema) -> Iterable[str]:
    return dict.fromkeys(name.partition(".")[0] for name in sockets["operations"])


def _message(sockets: Schema, key: str) -> Iterator[str]:
    messages = sockets["channels"]["session"]["messages"]
    for title, name in (("Emitted as", key), ("Ack", f"{key}.ack")):
        if name in messages:
            one = messages[name]
            emitted = f" <code>{escape(one['name'])}</code>" if name == key else ""
            yield f"<h4>{title}{emitted}</h4>{_fields(sockets, one['payload'])}"
            yield f"<pre>{_json(one['examples'][0]['payload'])}</pre>"


# ── both ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _shut(anchor: str, way: str, name: str, summary: str, inside: Iterable[str]) -> str:
    told = {"receive": "emit", "send": "on"}.get(way, way)
    return (
        f'<details id="{escape(anchor)}"><summary><b class="way {way}">{told}</b><code>{escape(name)}</code>'
        f'<span>{escape(summary)}</span></summary><div class="in">{"".join(inside)}</div></details>'
    )


def _fields(document: Schema, schema: Schema) -> str:
    """The fields of a Struct, and what it says about itself."""
    if "$ref" not in schema:
        return ""
    struct = document["components"]["schemas"][schema["$ref"].removeprefix(AT)]
    required = struct.get("required", ())
    rows = [
        (
            name if name in required else f"{name}?",
            _kind(field),
            "" if "default" not in field else _json(field["default"]),
        )
        for name, field in struct.get("properties", {}).items()
    ]
    return _prose(struct.get("description", "")) + (_table(("Field", "Type", "Default"), rows) if rows else "")


def _kind(schema: Schema) -> str:
    """A type in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"].removeprefix(AT))
    if "anyOf" in schema:
        return " | ".join(map(_kind, schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return " | ".join(json.dumps(one) for one in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"{_kind(schema.get('items', {}))}[]"
    bounds = (f"{name} {schema[name]:g}" for name in ("minimum", "maximum", "maxLength") if name in schema)
    return " ".join([str(schema.get("format") or schema.get("type", "any")), *bounds])


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    top = "".join(f"<th>{escape(one)}</th>" for one in head)
    lines = ("".join(f"<td>{_cell(n, one)}</td>" for n, one in enumerate(row)) for row in rows)
    return f"<table><tr>{top}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _cell(column: int, text: str) -> str:
    return f"<code>{escape(text)}</code>" if column == 0 else escape(text)


def _codes(listed: Iterable[Schema]) -> Iterator[str]:
    for code, one in sorted({one["code"]: one for one in listed}.items()):
        again = "yes" if one["retry"] else ""
        yield (
            f"<tr><td><code>{escape(code)}</code></td><td>{one['status']}</td><td>{again}</td>"
            f"<td>{escape(one['message'])}</td></tr>"
        )


def _prose(text: str) -> str:
    """Paragraphs, with what stands in backticks as code."""
    parts = (f"<p>{_marked(part)}</p>" for part in text.split("\n\n") if part.strip())
    return "".join(parts)


def _marked(text: str) -> str:
    pieces = escape(text.strip()).split("`")
    return "".join(f"<code>{piece}</code>" if n % 2 else piece for n, piece in enumerate(pieces))


def _json(value: Any) -> str:
    return escape(json.dumps(value, indent=2, ensure_ascii=False), quote=False)
