"""What is only fit for one machine: stand-ins, example secrets, doors open to everybody."""

import re
from typing import TYPE_CHECKING

from pydantic import SecretStr

if TYPE_CHECKING:
    from config.settings import Settings

EXAMPLE_SECRETS = re.compile(r"change-?me|example|secret|password|lifebuddy|12345", re.IGNORECASE)


def unfit(settings: "Settings") -> dict[str, str]:
    """What production refuses, by the name of the field."""
    refused = {
        "mongo_url": "is not set" if settings.mongo_url is None else _example(settings.mongo_url),
        "redis_url": "is not set" if settings.redis_url is None else _example(settings.redis_url),
        "embedded": "a stand-in is not for production" if settings.embedded else "",
        "llm_file": "a stand-in is not for production" if settings.llm_file else "",
        "master_key": _no_master_key(settings),
        "signing_keys": "is not set" if settings.signing_keys is None else "",
        "origins": _unfit_origins(settings.origins),
        "trusted_proxies": "say which proxies are in front, or `none`" if settings.trusted_proxies is None else "",
        "openai_api_key": _example(settings.openai_api_key),
        "smtp_url": _example(settings.smtp_url),
        "s3_secret": _example(settings.s3_secret),
        "calls_turn_secret": _example(settings.calls_turn_secret),
        "app_url": "is not set: mails link to it" if settings.smtp_url and not settings.app_url else "",
        "mail_from": "is not set" if settings.smtp_url and settings.mail_from.endswith(".invalid>") else "",
        "fallback_api_key": _example(settings.fallback_api_key),
        "transcriber_api_key": _example(settings.transcriber_api_key),
        "transcriber_fallback_api_key": _example(settings.transcriber_fallback_api_key),
        "speaker_api_key": _example(settings.speaker_api_key),
        "speaker_fallback_api_key": _example(settings.speaker_fallback_api_key),
        "log_exception_text": "would show private text" if settings.log_exception_text else "",
    }
    return {name: why for name, why in refused.items() if why}


def _no_master_key(settings: "Settings") -> str:
    if settings.master_key is None:
        return "set it, or MASTER_KEY_FILE" if settings.master_key_file is None else ""
    few = len(set(settings.master_key.get_secret_value())) < 8  # random ones have all 16 digits
    return "is an example, not a secret" if few else ""


def _unfit_origins(origins: tuple[str, ...]) -> str:
    if not origins:
        return "is not set"
    return "`*` lets every site in" if any("*" in origin for origin in origins) else ""


def _example(secret: SecretStr | None) -> str:
    """Looks at the whole text, or at the pass word when it is a URL with one."""
    text = "" if secret is None else secret.get_secret_value()
    found = re.search(r"://[^/@]*:([^/@]*)@", text)
    judged = found[1] if found else "" if "://" in text else text
    return "is an example, not a secret" if EXAMPLE_SECRETS.search(judged) else ""
