"""The page at `/`: what this is, how its parts are, how an app connects. No scripts, nothing from elsewhere."""

import base64
import hashlib
from html import escape
from string import Template
from typing import Final

from transport.rest.readiness import Part, Report

_STYLE: Final = """
:root{color-scheme:light dark}
body{font:16px/1.55 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1.25rem}
h1{margin:0;font-size:1.9rem}
h2{margin-top:2.2rem;font-size:1.1rem}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.4rem .8rem .4rem 0;border-bottom:1px solid #8884}
pre{padding:1rem;border:1px solid #8884;border-radius:.5rem;overflow-x:auto;font-size:.88rem}
.ok{color:#1a7f37}.down{color:#cf222e}.off{opacity:.6}
"""
POLICY: Final = (
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
)
_PAGE: Final = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>LifeBuddy</title><style>$style</style></head><body>
<h1>LifeBuddy</h1>
<p>A life coach that people talk to, by text and by voice, on any device, for years.</p>
<h2>This server is <span class="$mood">$status</span></h2>
<table><tr><th>Part</th><th>State</th><th>Latency</th><th>Last error</th></tr>$rows</table>
<h2>Connect an app</h2>
<pre>
import { io } from "socket.io-client";

const json = { "content-type": "application/json" };
const answer = await fetch("$url/v1/auth/login", {
  method: "POST", headers: json, body: JSON.stringify({ email, password }),
});
const { access_token } = await answer.json(); // 202 and a challenge for who has a second factor: see /docs

const socket = io("$url", { auth: { token: access_token, device_id: "laptop" } });
socket.on("session.ready", ({ seq }) =&gt; console.log("connected, at", seq));
socket.on("signal", ({ type, data }) =&gt; type === "reply.delta" &amp;&amp; show(data.text));
socket.on("event", ({ type, data }) =&gt; console.log(type, data));
socket.emit("chat.send", { cid: crypto.randomUUID(), text: "Hello" }, console.log);
</pre>
<p>The same commands go in over HTTP below <code>/v1</code>: <a href="/docs">all there is</a>. <code>/healthz</code> and <code>/readyz</code> are for machines.</p>
</body></html>
""")
_MOODS: Final = {"ready": "ok", "degraded": "down", "not_ready": "down", "draining": "off"}


def page(report: Report, url: str) -> str:
    """The page, for a browser that reached this server at `url`."""
    rows = "".join(_row(name, part) for name, part in report.parts.items())
    words = report.status.replace("_", " ")
    return _PAGE.substitute(style=_STYLE, mood=_MOODS[report.status], status=words, rows=rows, url=escape(url))


def _row(name: str, part: Part) -> str:
    latency = "" if part.latency_ms is None else f"{part.latency_ms:.1f} ms"
    error = escape(part.last_error or "")
    return (
        f"<tr><td>{escape(name)}</td><td class='{part.state}'>{part.state}</td><td>{latency}</td><td>{error}</td></tr>"
    )
