"""A browser's own WebAuthn, as the page of docs/api.md uses it: a passkey is made, and signs in without a password."""

import json
from typing import Any, Final

import pytest

from tests.chromium import PROGRAM, Tab, tab
from tests.flows.app import PASSWORD, App
from tests.flows.conftest import Running

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]  # a process starts

POST: Final = """
async function post(path, body, token) {
  const headers = {"Content-Type": "application/json", ...(token ? {Authorization: `Bearer ${token}`} : {})}
  const answer = await fetch("/v1/auth/" + path, {method: "POST", headers, body: body && JSON.stringify(body)})
  return {status: answer.status, ...await answer.json()}
}
"""
REGISTER: Final = """(async () => {
  const {public_key} = await post("passkeys/register/options", null, TOKEN)
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(public_key)
  const credential = await navigator.credentials.create({publicKey})
  return post("passkeys/register/verify", {credential: credential.toJSON(), name: "this computer"}, TOKEN)
})()"""
LOGIN: Final = """(async () => {
  const {public_key} = await post("passkeys/login/options")
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(public_key)
  const credential = await navigator.credentials.get({publicKey})
  return post("passkeys/login/verify", {credential: credential.toJSON()})
})()"""


async def recognising(page: Tab) -> None:
    """The computer has an authenticator, which recognises whoever is before it."""
    await page.ask("WebAuthn.enable")
    kind = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    always = {"isUserVerified": True, "automaticPresenceSimulation": True}
    await page.ask("WebAuthn.addVirtualAuthenticator", options={**kind, **always})


@pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium here")
async def test_a_browser_makes_a_passkey_and_signs_in_with_it(running: Running) -> None:
    app = App(running.node.url)
    await app.register()
    await app.rest("POST", "/v1/auth/reauth", {"password": PASSWORD, "scope": "factors"})
    async with tab() as page:
        await recognising(page)
        await page.open(running.node.url.replace("127.0.0.1", "localhost") + "/verify")  # a page that may ask
        await page.run(POST)
        registered: dict[str, Any] = await page.run(REGISTER.replace("TOKEN", json.dumps(app.tokens["access_token"])))
        assert (registered["status"], registered["name"]) == (201, "this computer")
        signed_in = await page.run(LOGIN)
        assert (signed_in["status"], signed_in["user_id"]) == (200, app.tokens["user_id"])
    app.tokens = signed_in
    _, listed = await app.rest("GET", "/v1/auth/passkeys")
    assert [one["id"] for one in listed["items"]] == [registered["id"]]
