"""Keys are made once on one machine and never in production."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from config.keys import read_master_key, read_signing_keys, read_wrapping_keys
from config.settings import Settings, SettingsError

MASTER = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"


def settings(tmp_path: Path, **given: object) -> Settings:
    return Settings(data=tmp_path, _env_file=None, **given)  # type: ignore[arg-type, call-arg]  # checked while reading


def production(tmp_path: Path, **given: object) -> Settings:
    unchecked = settings(tmp_path, **given)
    return unchecked.model_copy(update={"profile": "production"})


def test_the_master_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    first = read_master_key(settings(tmp_path))
    assert len(first) == 32
    assert read_master_key(settings(tmp_path)) == first
    assert (tmp_path / "secrets" / "master-key").stat().st_mode & 0o777 == 0o600


def test_the_master_key_may_come_from_the_environment_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text(MASTER + "\n")
    assert read_master_key(settings(tmp_path, master_key=MASTER)) == bytes.fromhex(MASTER)
    assert read_master_key(settings(tmp_path, master_key_file=tmp_path / "elsewhere")) == bytes.fromhex(MASTER)


def test_newer_wrapping_keys_lie_beside_the_master_key(tmp_path: Path) -> None:
    given = settings(tmp_path, master_key=MASTER)
    assert read_wrapping_keys(given) == {1: bytes.fromhex(MASTER)}
    folder = tmp_path / "secrets" / "wrapping-keys"
    folder.mkdir(parents=True)
    (folder / "2.key").write_text("ab" * 32 + "\n")
    (folder / "10.key").write_text("cd" * 32)
    assert read_wrapping_keys(given) == {1: bytes.fromhex(MASTER), 2: b"\xab" * 32, 10: b"\xcd" * 32}
    assert read_wrapping_keys(given.model_copy(update={"wrapping_keys": folder})) == read_wrapping_keys(given)


@pytest.mark.parametrize(
    ("name", "text"), [("2.key", "half"), ("1.key", MASTER), ("02.key", MASTER), ("new.key", MASTER)]
)
def test_a_wrapping_key_that_is_none_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SettingsError, match=f"LIFEBUDDY_WRAPPING_KEYS: {name}"):
        read_wrapping_keys(settings(tmp_path, master_key=MASTER, wrapping_keys=tmp_path))
    with pytest.raises(SettingsError, match="no such directory"):
        read_wrapping_keys(settings(tmp_path, master_key=MASTER, wrapping_keys=tmp_path / "nowhere"))


def test_a_broken_master_key_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("half a key")
    with pytest.raises(SettingsError, match="LIFEBUDDY_MASTER_KEY_FILE") as refusal:
        read_master_key(settings(tmp_path, master_key_file=tmp_path / "broken"))
    assert "half a key" not in str(refusal.value)
    assert (tmp_path / "broken").read_text() == "half a key"


def test_production_makes_no_keys(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="LIFEBUDDY_MASTER_KEY_FILE"):
        read_master_key(production(tmp_path, master_key_file=tmp_path / "missing"))
    with pytest.raises(SettingsError, match="LIFEBUDDY_SIGNING_KEYS"):
        read_signing_keys(production(tmp_path, signing_keys=tmp_path / "missing"))
    assert list(tmp_path.iterdir()) == []


def test_signing_keys_are_made_once_and_rotate_by_laying_one_beside(tmp_path: Path) -> None:
    first = read_signing_keys(settings(tmp_path))
    assert read_signing_keys(settings(tmp_path)).current == first.current
    folder = tmp_path / "secrets" / "signing-keys"
    (folder / "zz.pem").write_bytes((folder / f"{first.current}.pem").read_bytes())
    rotated = read_signing_keys(settings(tmp_path))
    assert rotated.current == "zz"
    assert set(rotated.by_id) == {"zz", first.current}
    kept = read_signing_keys(settings(tmp_path, signing_key_id=first.current))
    assert kept.current == first.current
    assert isinstance(kept.by_id["zz"], Ed25519PrivateKey)


def test_a_signing_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("-----BEGIN PRIVATE KEY-----\nno\n-----END PRIVATE KEY-----\n")
    with pytest.raises(SettingsError, match=r"x\.pem is no Ed25519 private key"):
        read_signing_keys(settings(tmp_path, signing_keys=tmp_path))
