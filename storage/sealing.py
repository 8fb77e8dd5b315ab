"""What is private is encrypted here, on the way in and out: AES-256-GCM under a key of its owner."""

import asyncio
import hmac
import os
import struct
import unicodedata
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from hashlib import blake2b
from typing import Any, Protocol, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from actors.runtime.envelope import Unavailable
from storage.marks import marks

T = TypeVar("T", bound=msgspec.Struct)

# version | key version | nonce | ciphertext and tag (NIST SP 800-38D: 96-bit nonce, 128-bit tag)
_FORMAT = 1
_HEADER = struct.Struct(">BH")
_NONCE = 12
_TAG = 16
_BODY = _HEADER.size + _NONCE
_KEY = 32
_FIRST = 1
"""The version of a data key; a later one would come with a way to change it."""
MASTER = 1
"""The version of the master key among those that wrap. It stays when others take that over: mail is found by it."""
_ATTEMPTS = 5
_PLACES = msgspec.msgpack.Encoder()
_PLAIN = (datetime, bytes)
"""What MongoDB holds as it is; dates go as ISO text."""


class Unsealable(Exception):  # noqa: N818 - the word of this house
    """What was sealed can't be opened: altered, moved from where it was written, or its key is not known."""


class WrappedKey(msgspec.Struct, frozen=True):
    """An owner's data key, sealed under the key-encryption key of version `kek`."""

    owner: str
    kek: int
    wrapped: bytes


class WrappedKeys(Protocol):
    """Where wrapped keys are kept; every method raises Unavailable when that is out of reach."""

    async def get(self, owner: str) -> WrappedKey | None:
        """The owner's key, as a majority holds it."""

    async def add(self, key: WrappedKey) -> bool:
        """Keep a new key, for good; False when the owner has one already."""

    async def replace(self, old: WrappedKey, new: WrappedKey) -> bool:
        """Put `new` in the place of `old`; False when it is not there any more."""

    async def wrapped_otherwise(self, kek: int, limit: int) -> Sequence[WrappedKey]:
        """Keys that are wrapped under another key-encryption key than `kek`."""


class Box:
    """Seals and unseals under one owner's data key. The same bytes can't be moved to another place, field or owner."""

    __slots__ = ("_cipher", "_head", "owner")

    def __init__(self, owner: str, key: bytes, version: int = _FIRST) -> None:
        self.owner = owner
        self._cipher = AESGCM(key)
        self._head = _HEADER.pack(_FORMAT, version)

    def seal(self, plaintext: bytes, *, collection: str, document: str, field: str) -> bytes:
        nonce = os.urandom(_NONCE)
        place = _place(collection, document, field, self.owner)
        return self._head + nonce + self._cipher.encrypt(nonce, plaintext, place)

    def unseal(self, sealed: bytes, *, collection: str, document: str, field: str) -> bytes:
        """The plaintext. Raises Unsealable."""
        if len(sealed) < _BODY + _TAG or not sealed.startswith(self._head):
            raise Unsealable(f"{collection}.{field}: not sealed under this key")
        place = _place(collection, document, field, self.owner)
        try:
            return self._cipher.decrypt(sealed[_HEADER.size : _BODY], sealed[_BODY:], place)
        except InvalidTag:
            raise Unsealable(f"{collection}.{field}: altered, or sealed elsewhere") from None


class Sealing:
    """The boxes of all owners. `capacity` bounds how many stay open; the least recently used is dropped."""

    def __init__(self, keys: WrappedKeys, keks: Mapping[int, bytes], *, capacity: int = 10_000) -> None:
        """`keks`: key-encryption keys of 32 bytes by version, 1 to 65,535; the highest version wraps new keys."""
        if not keks or any(len(key) != _KEY or not 0 < version < 1 << 16 for version, key in keks.items()):
            raise ValueError("key-encryption keys have 32 bytes each and a version from 1 to 65,535")
        self._keys = keys
        self._wrapping = {version: Box("", derive(key, "wrap"), version) for version, key in keks.items()}
        self._newest = max(keks)
        self._boxes: OrderedDict[str, Box] = OrderedDict()
        self._capacity = capacity

    async def box(self, owner: str) -> Box:
        """The owner's box; the first use makes its key. Raises Unavailable, and Unsealable for an unknown wrapping."""
        box = self._boxes.get(owner)
        if box is None:
            box = Box(owner, self._unwrap(await self._key(owner)))
            self._boxes[owner] = box
            if len(self._boxes) > self._capacity:
                self._boxes.popitem(last=False)
        else:
            self._boxes.move_to_end(owner)
        return box

    async def rewrap(self, limit: int = 500) -> int:
        """Wrap up to `limit` keys under the newest key-encryption key; 0 when all are. May be cut short anywhere."""
        found = await self._keys.wrapped_otherwise(self._newest, limit)
        for old in found:
            await self._keys.replace(old, self._wrap(old.owner, self._unwrap(old)))
        return len(found)

    async def _key(self, owner: str) -> WrappedKey:
        for attempt in range(_ATTEMPTS):
            found = await self._keys.get(owner)
            if found is not None:
                return found
            fresh = self._wrap(owner, os.urandom(_KEY))
            if await self._keys.add(fresh):
                return fresh
            await asyncio.sleep(0.05 * attempt)  # another node's key, which a majority does not show yet
        raise Unavailable

    def _wrap(self, owner: str, key: bytes) -> WrappedKey:
        sealed = self._wrapping[self._newest].seal(key, collection="keys", document=owner, field="wrapped")
        return WrappedKey(owner, self._newest, sealed)

    def _unwrap(self, key: WrappedKey) -> bytes:
        wrapping = self._wrapping.get(key.kek)
        if wrapping is None:
            raise Unsealable(f"no key-encryption key of version {key.kek}")
        return wrapping.unseal(key.wrapped, collection="keys", document=key.owner, field="wrapped")


class Secrets:
    """Keys for what must be found or compared without being read. The master stays when key-encryption keys change."""

    def __init__(self, master: bytes) -> None:
        if len(master) < _KEY:
            raise ValueError("the master key has at least 32 bytes")
        self._index_key = derive(master, "blind-index")
        self._digest_key = derive(master, "digest")
        self.mesh_key = derive(master, "mesh")

    def blind_index(self, email: str) -> bytes:
        """What a mail address is found by: HMAC-SHA-256 of it without case, outer spaces or composition."""
        return hmac.digest(self._index_key, normal(email).encode(), "sha256")

    def digest(self, data: bytes) -> bytes:
        """A keyed BLAKE2b of 32 bytes: equal for equal data, and says nothing about it without the key."""
        return blake2b(data, key=self._digest_key, digest_size=32).digest()


def normal(email: str) -> str:
    """The form in which mail addresses are compared: trimmed, casefolded (Unicode D145), NFC."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", email.strip()).casefold())


def derive(master: bytes, purpose: str) -> bytes:
    """32 bytes by HKDF-SHA-256 (RFC 5869); another purpose gives an unrelated key."""
    return HKDF(SHA256(), _KEY, salt=None, info=f"lifebuddy/{purpose}/1".encode()).derive(master)


def seal_struct(box: Box, collection: str, id: str, struct: msgspec.Struct) -> dict[str, Any]:  # noqa: A002 - a row's id
    """A Struct as a document: private fields (as its type marks them) sealed, by their encoded names."""
    document: dict[str, Any] = msgspec.to_builtins(struct, builtin_types=_PLAIN, str_keys=True)
    marked = marks(type(struct))
    if marked is None:
        return document

    def seal(value: Any, path: str) -> bytes:
        return box.seal(msgspec.msgpack.encode(value), collection=collection, document=id, field=path)

    sealed: dict[str, Any] = marked.change(document, "", seal)
    return sealed


def unseal_struct(box: Box, collection: str, id: str, document: Mapping[str, Any], type: type[T]) -> T:  # noqa: A002 - as above, and msgspec's word
    """The Struct that `seal_struct` sealed there; fields the type does not know are left out. Raises Unsealable.

    Datetimes must come with their zone (`tz_aware` in the codec options).
    """
    known = {name: document[name] for name in _names(type) if name in document}
    return msgspec.convert(unsealed(box, collection, id, known, type), type, builtin_types=_PLAIN, str_keys=True)


def unsealed(box: Box, collection: str, id: str, document: Mapping[str, Any], type: type[T]) -> Mapping[str, Any]:  # noqa: A002 - as above
    """The document with what its type marks as private opened, and all else as it is. Raises Unsealable."""

    def unseal(value: Any, path: str) -> Any:
        if not isinstance(value, bytes):
            raise Unsealable(f"{collection}.{path}: stands there unsealed")
        return msgspec.msgpack.decode(box.unseal(value, collection=collection, document=id, field=path))

    marked = marks(type)
    if marked is None:
        return document
    opened: Mapping[str, Any] = marked.change(document, "", unseal)
    return opened


@cache
def _names(type: type[msgspec.Struct]) -> tuple[str, ...]:  # noqa: A002 - as above
    return type.__struct_encode_fields__


def _place(collection: str, document: str, field: str, owner: str) -> bytes:
    """The associated data: no two places give the same bytes, whatever stands in their names."""
    return _PLACES.encode((collection, document, field, owner))
