"""Whatever is sent, over the whole OpenAPI document: no error of ours, and no answer that is not in the document."""

import asyncio
import contextlib
import os
import warnings
from collections.abc import Callable
from typing import Any, Final, cast

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi import checks

from tests.flows.app import App, become_admin, signed_up
from tests.flows.conftest import Running

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from schemathesis.generation import GenerationMode

EXAMPLES: Final = int(os.environ.get("LIFEBUDDY_CONTRACT_EXAMPLES", "5"))
"""Requests of each kind to each operation; more of them, by hand, find more."""
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60 + 25 * EXAMPLES)]

LAST: Final = ("auth.logout", "auth.logout_all")
"""Whoever asked is signed out."""
CHECKS: Final[list[Any]] = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]


async def test_no_request_gets_an_error_of_ours_or_an_answer_nobody_was_promised(running: Running) -> None:
    async with signed_up(running.node.url) as app:
        await become_admin(app, running.node.output)  # to whom every role's routes open
        await app.connect()
        ids = await _filled(app)
        document = (await app.rest("GET", "/v1/openapi.json"))[1]
        asked = await asyncio.to_thread(_attack, app, document, ids)
    print(f"{sum(asked.values())} requests to {len(asked)} operations")
    assert len(asked) == sum(len(methods) for methods in document["paths"].values())
    assert "rest.failed" not in running.node.output


async def _filled(app: App) -> dict[str, str]:
    """There is something behind the ids in paths, or most requests would find nothing."""
    goal = (await app.surely("goal.create", {"title": "Run"}))["goal"]
    await app.surely("goal.create", {"title": "Walk", "parent_id": goal["id"]})
    await app.surely("chat.send", {"text": "hello"})
    return {"goal_id": goal["id"]}


def _attack(app: App, document: Any, ids: dict[str, str]) -> dict[str, int]:
    """How many requests each operation got."""
    schema = schemathesis.openapi.from_dict(document)
    operations: list[Any] = [cast("Any", found).ok() for found in schema.get_all_operations()]
    asked, trouble = dict[str, int](), list[str]()
    with requests.Session() as session:
        for operation in sorted(operations, key=_order):
            name = operation.definition.raw["operationId"]
            asked[name] = 0
            for mode in GenerationMode:
                try:
                    asked[name] += _ask(operation, mode, ids, _sender(app, session))
                except (Failure, FailureGroup) as failed:
                    trouble.append(f"{name}: {failed}")
    assert trouble == [], "\n\n".join(trouble)
    assert all(asked.values()), asked
    return asked


def _order(operation: Any) -> int:
    return 1 + LAST.index(name) if (name := operation.definition.raw["operationId"]) in LAST else 0


def _sender(app: App, session: requests.Session) -> Callable[[Any], None]:
    token = {"Authorization": f"Bearer {app.tokens['access_token']}"}

    def send(case: Any) -> None:
        case.call_and_validate(base_url=app.url, session=session, headers=token, checks=CHECKS, timeout=20)

    return send


def _ask(operation: Any, mode: Any, ids: dict[str, str], send: Callable[[Any], None]) -> int:
    asked = 0

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=EXAMPLES < 50,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), there=st.booleans())
    def ask(case: Any, there: bool) -> None:  # noqa: FBT001 - hypothesis draws it
        nonlocal asked
        asked += 1
        if there and mode is GenerationMode.POSITIVE:
            case.path_parameters = {**(case.path_parameters or {}), **_known(case, ids)}
        send(case)

    with contextlib.suppress(Unsatisfiable):  # nothing could be said wrongly to this operation
        ask()
    return asked


def _known(case: Any, ids: dict[str, str]) -> dict[str, str]:
    return {name: ids[name] for name in (case.path_parameters or {}) if name in ids}
