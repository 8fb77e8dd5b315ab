"""The key that wraps all others and the keys that sign tokens: read, or made once where that is allowed."""

import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from config.keyring import kept_secret, write_private
from config.settings import Settings, SettingsError, variable


@dataclass(frozen=True)
class SigningKeys:
    """`by_id` holds every key whose tokens are still believed; `current` is the id of the one that signs."""

    current: str
    by_id: dict[str, Ed25519PrivateKey] = field(repr=False)


def master_key_file(settings: Settings) -> Path:
    return settings.master_key_file or settings.secrets_directory / "master-key"


def read_master_key(settings: Settings) -> bytes:
    """32 bytes. Made when the file is missing, but not in production. Raises SettingsError."""
    if settings.master_key is not None:
        return bytes.fromhex(settings.master_key.get_secret_value())
    path = master_key_file(settings)
    if settings.profile == "production" and not path.exists():
        raise SettingsError(f"{variable('master_key_file')}: there is no such file")
    return _read_key(kept_secret(path), variable("master_key_file"))


def read_wrapping_keys(settings: Settings) -> dict[int, bytes]:
    """The keys that wrap all others, by version: 1 is the master key; the highest wraps new ones. Raises SettingsError."""
    folder = settings.wrapping_keys or settings.secrets_directory / "wrapping-keys"
    if settings.wrapping_keys is not None and not folder.is_dir():
        raise SettingsError(f"{variable('wrapping_keys')}: there is no such directory")
    keys = {1: read_master_key(settings)}
    for path in sorted(folder.glob("*.key")):
        if not re.fullmatch(r"[1-9][0-9]{0,3}", path.stem) or int(path.stem) in keys:
            raise SettingsError(f"{variable('wrapping_keys')}: {path.name} is not named by a number from 2 to 9999")
        keys[int(path.stem)] = _read_key(path.read_text().strip(), f"{variable('wrapping_keys')}: {path.name}")
    return keys


def _read_key(text: str, whose: str) -> bytes:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise SettingsError(f"{whose}: does not hold 64 hexadecimal digits")
    return bytes.fromhex(text)


def read_signing_keys(settings: Settings) -> SigningKeys:
    """Reads them anew each time, so a key laid beside the others is known at the next reading. Raises SettingsError."""
    folder = settings.signing_keys or settings.secrets_directory / "signing-keys"
    if settings.profile != "production" and not list(folder.glob("*.pem")):
        write_private(folder / f"{secrets.token_hex(4)}.pem", _new_signing_key())
    by_id = {path.stem: _read_signing_key(path) for path in sorted(folder.glob("*.pem"))}
    if not by_id:
        raise SettingsError(f"{variable('signing_keys')}: holds no KID.pem")
    current = settings.signing_key_id or max(by_id)
    if current not in by_id:
        raise SettingsError(f"{variable('signing_key_id')}: there is no key of that name")
    return SigningKeys(current, by_id)


def _new_signing_key() -> str:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _read_signing_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(f"{variable('signing_keys')}: {path.name} is no Ed25519 private key")
    return key
