"""The page to call from: for whoever sits at the machine, and nothing of it from elsewhere."""

import base64
import hashlib
import re

import pytest

from tests.transport.conftest import StartNode
from tests.transport.rest.test_door import call, call_text

PATH = "/dev/call"


async def test_the_page_may_run_its_own_script_and_nothing_else(start_node: StartNode) -> None:
    node = await start_node(rest={"call_page": True})
    status, page, headers = await call_text(node, PATH, {"Authorization": ""})
    assert status == 200
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = headers["Content-Security-Policy"]
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.findall(r"""(?:src|href)=["']?http|\son\w+=|\sstyle=""", page)


@pytest.mark.parametrize("headers", [{"X-Forwarded-For": "127.0.0.1"}, {"Host": "evil.example"}])
async def test_nobody_opens_it_from_elsewhere(start_node: StartNode, headers: dict[str, str]) -> None:
    node = await start_node(rest={"call_page": True})
    assert (await call(node, "GET", PATH, headers=headers))[0] == 404


async def test_only_developers_have_it(start_node: StartNode) -> None:
    node = await start_node()
    assert (await call(node, "GET", PATH))[0] == 404
