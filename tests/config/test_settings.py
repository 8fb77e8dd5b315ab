"""What may be set, what is refused, and that no refusal repeats a secret."""

import os
from pathlib import Path

import pytest

from config.settings import Settings, SettingsError, read_settings, without_settings
from scripts.settings_table import TARGET, table

FIT = {
    "LIFEBUDDY_PROFILE": "production",
    "LIFEBUDDY_MONGO_URL": "mongodb://buddy:x9fQ2mPz@mongo.internal/?replicaSet=rs0",
    "LIFEBUDDY_REDIS_URL": "rediss://:p0Zt7vKq@redis.internal:6380/0",
    "LIFEBUDDY_MASTER_KEY": "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "LIFEBUDDY_SIGNING_KEYS": "/etc/lifebuddy/keys",
    "LIFEBUDDY_ORIGINS": "https://app.buddy.internal",
    "LIFEBUDDY_TRUSTED_PROXIES": "10.0.0.0/8",
}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in set(os.environ) - set(without_settings()):
        monkeypatch.delenv(name)


def given(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return read_settings()


def test_one_machine_needs_no_setting() -> None:
    settings = read_settings()
    assert (settings.host, settings.port, settings.profile) == ("127.0.0.1", 8787, "development")
    assert settings.allowed_origins == ("http://127.0.0.1:8787", "http://localhost:8787")


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = given(monkeypatch, {"LIFEBUDDY_MONGO_URL": "", "LIFEBUDDY_PORT": "", "OPENAI_API_KEY": ""})
    assert settings.mongo_url is None
    assert settings.port == 8787
    assert settings.openai_api_key is None


def test_the_provider_s_usual_variables_are_read_and_ours_go_before(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = given(monkeypatch, {"OPENAI_BASE_URL": "http://one", "OPENAI_API_KEY": "k1"})
    assert usual.openai_base_url == "http://one"
    ours = given(monkeypatch, {"LIFEBUDDY_OPENAI_BASE_URL": "http://two"})
    assert ours.openai_base_url == "http://two"
    assert ours.openai_api_key is not None


def test_dotenv_is_read_and_the_environment_goes_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LIFEBUDDY_PORT=9001\nLIFEBUDDY_HOST=::1\nSOMETHING_ELSE=1\n")
    settings = given(monkeypatch, {"LIFEBUDDY_PORT": "9002"})
    assert (settings.port, settings.host) == (9002, "::1")


def test_lists_are_split_at_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = given(
        monkeypatch,
        {"LIFEBUDDY_ORIGINS": "https://a.example, https://b.example", "LIFEBUDDY_TRUSTED_PROXIES": "10.0.0.0/8, ::1"},
    )
    assert settings.origins == ("https://a.example", "https://b.example")
    assert [str(network) for network in settings.trusted_proxies or ()] == ["10.0.0.0/8", "::1/128"]


@pytest.mark.parametrize(
    ("app_url", "linked"),
    [("https://app.example/coach", "https://app.example"), ("https://a.example", "https://a.example")],
)
def test_pages_that_links_lead_to_may_ask(monkeypatch: pytest.MonkeyPatch, app_url: str, linked: str) -> None:
    settings = given(monkeypatch, {"LIFEBUDDY_ORIGINS": "https://a.example", "LIFEBUDDY_APP_URL": app_url})
    assert set(settings.allowed_origins) == {"https://a.example", linked}
    assert len(settings.allowed_origins) == len(set(settings.allowed_origins))


@pytest.mark.parametrize(
    ("variables", "domain"),
    [
        ({}, "localhost"),
        ({"LIFEBUDDY_HOST": "::1"}, "localhost"),
        ({"LIFEBUDDY_ORIGINS": "https://app.a.example, https://b.example"}, "app.a.example"),
        (
            {"LIFEBUDDY_ORIGINS": "https://b.example", "LIFEBUDDY_APP_URL": "https://app.a.example:8443/x"},
            "app.a.example",
        ),
        ({"LIFEBUDDY_APP_URL": "https://app.a.example", "LIFEBUDDY_PASSKEYS_FOR": "a.example"}, "a.example"),
    ],
)
def test_passkeys_are_for_the_domain_of_the_app(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], domain: str
) -> None:
    assert given(monkeypatch, variables).passkey_domain == domain


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"LIFEBUDDY_SMTP_URL": "mail.example:25"}, "LIFEBUDDY_SMTP_URL: is no URL"),
        ({"LIFEBUDDY_MAIL_VERIFICATION": "on"}, "LIFEBUDDY_MAIL_VERIFICATION: needs LIFEBUDDY_SMTP_URL"),
        ({"LIFEBUDDY_TLS_CERT": "/cert.pem"}, "only one is set"),
        ({"LIFEBUDDY_LIMIT_LOGIN": "often"}, "LIFEBUDDY_LIMIT_LOGIN: "),
    ],
)
def test_what_does_not_fit_together_is_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], why: str
) -> None:
    with pytest.raises(SettingsError, match=why):
        given(monkeypatch, variables)


def test_with_a_certificate_the_server_is_known_by_https(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = given(monkeypatch, {"LIFEBUDDY_TLS_CERT": "/cert.pem", "LIFEBUDDY_TLS_KEY": "/key.pem"})
    assert settings.links_to == "https://127.0.0.1:8787"
    assert "https://localhost:8787" in settings.allowed_origins


def test_production_starts_when_all_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert given(monkeypatch, FIT).profile == "production"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LIFEBUDDY_MONGO_URL", ""),
        ("LIFEBUDDY_MONGO_URL", "mongodb://buddy:change-me@mongo.internal/"),
        ("LIFEBUDDY_REDIS_URL", ""),
        ("LIFEBUDDY_REDIS_URL", "redis://:example@redis.internal/0"),
        ("LIFEBUDDY_EMBEDDED", "mongodb"),
        ("LIFEBUDDY_MASTER_KEY", ""),
        ("LIFEBUDDY_MASTER_KEY", "0" * 64),
        ("LIFEBUDDY_SIGNING_KEYS", ""),
        ("LIFEBUDDY_ORIGINS", ""),
        ("LIFEBUDDY_ORIGINS", "*"),
        ("LIFEBUDDY_ORIGINS", "https://app.buddy.internal,https://*.other.internal"),
        ("LIFEBUDDY_TRUSTED_PROXIES", ""),
        ("LIFEBUDDY_LLM_FILE", "/models/small.gguf"),
        ("LIFEBUDDY_LOG_EXCEPTION_TEXT", "true"),
    ],
)
def test_production_refuses_and_names_the_setting(
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
) -> None:
    with pytest.raises(SettingsError, match=f"^{variable}: ") as refusal:
        given(monkeypatch, FIT | {variable: value})
    assert str(refusal.value).count("\n") == 0


def test_production_may_say_that_there_is_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert given(monkeypatch, FIT | {"LIFEBUDDY_TRUSTED_PROXIES": "none"}).trusted_proxies == ()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LIFEBUDDY_PORT", "cafe4711"),
        ("LIFEBUDDY_MASTER_KEY", "cafe4711"),
        ("LIFEBUDDY_TRUSTED_PROXIES", "cafe4711"),
        ("LIFEBUDDY_PROFILE", "cafe4711"),
        ("LIFEBUDDY_LIMITS_SCALE", "0"),
    ],
)
def test_a_bad_value_is_named_and_never_repeated(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{variable}: ") as refusal:
        given(monkeypatch, {variable: value})
    assert "cafe4711" not in str(refusal.value)


def test_a_lease_that_would_lapse_between_refreshes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"^LIFEBUDDY_MEMBERSHIP_REFRESH_SECONDS: "):
        given(monkeypatch, {"LIFEBUDDY_MEMBERSHIP_TTL_SECONDS": "4"})


def test_no_secret_is_shown_when_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = repr(given(monkeypatch, FIT | {"OPENAI_API_KEY": "sk-canary"}))
    assert not [secret for secret in ("x9fQ2mPz", "p0Zt7vKq", "0f1e2d3c", "sk-canary") if secret in shown]


def test_the_documented_table_is_up_to_date() -> None:
    assert TARGET.read_text() == table()
