"""What WebAuthn (W3C, Level 3) asks of a server, by the library `webauthn`, which takes a fifth of a second to load."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import msgspec
import structlog
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    options_to_json_dict,
    parse_client_data_json,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from actors.domain.refusals import BadPasskey
from transport.signed_in import Site

NAME: Final = "LifeBuddy"
ALGORITHMS: Final = [
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
log = structlog.get_logger(__name__)


class Made(msgspec.Struct, frozen=True):
    """A key pair that an authenticator has made: its name for it, the public key, what it has counted."""

    credential: bytes
    key: bytes
    counter: int
    synced: bool


class RelyingParty:
    """Answers are `PublicKeyCredential.toJSON()` of browsers; challenges are text, base64url of their octets."""

    def __init__(self, site: Site, seconds: float) -> None:
        self._site = site
        self._timeout = int(seconds * 1000)

    def creation(self, challenge: str, owner: str, email: str, known: Sequence[bytes]) -> dict[str, Any]:
        """`PublicKeyCredentialCreationOptionsJSON`: a key that its authenticator finds by itself, and asks for its owner."""
        options = generate_registration_options(
            rp_id=self._site.domain,
            rp_name=NAME,
            user_id=owner.encode(),
            user_name=email,
            challenge=base64url_to_bytes(challenge),
            timeout=self._timeout,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=one) for one in known],
            supported_pub_key_algs=ALGORITHMS,
        )
        return options_to_json_dict(options)

    def request(self, challenge: str) -> dict[str, Any]:
        """`PublicKeyCredentialRequestOptionsJSON`: whoever is asked chooses among the keys they have for this domain."""
        options = generate_authentication_options(
            rp_id=self._site.domain,
            challenge=base64url_to_bytes(challenge),
            timeout=self._timeout,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return options_to_json_dict(options)

    def challenge(self, answer: Mapping[str, Any]) -> str:
        """Which one it says it answers. Raises BadPasskey."""
        with _forgeries():
            said = parse_client_data_json(base64url_to_bytes(answer["response"]["clientDataJSON"]))
            if said.cross_origin:  # a page in another's frame
                raise BadPasskey
            return bytes_to_base64url(said.challenge)

    def credential(self, answer: Mapping[str, Any]) -> bytes:
        """Which key it says it was signed with. Raises BadPasskey."""
        with _forgeries():
            return base64url_to_bytes(answer["rawId"])

    def owner(self, answer: Mapping[str, Any]) -> str:
        """Whose key the authenticator was told it is. Raises BadPasskey."""
        with _forgeries():
            return base64url_to_bytes(answer["response"]["userHandle"]).decode()

    def made(self, answer: Mapping[str, Any], challenge: str) -> Made:
        """Raises BadPasskey."""
        with _forgeries():
            found = verify_registration_response(
                credential=dict(answer),
                expected_challenge=base64url_to_bytes(challenge),
                expected_rp_id=self._site.domain,
                expected_origin=list(self._site.origins),
                require_user_verification=True,
                supported_pub_key_algs=ALGORITHMS,
            )
            decoded_public_key_to_cryptography(decode_credential_public_key(found.credential_public_key))
            return Made(found.credential_id, found.credential_public_key, found.sign_count, found.credential_backed_up)

    def counted(self, answer: Mapping[str, Any], challenge: str, key: bytes, counter: int) -> int:
        """What the authenticator has counted now that it has signed with the key. Raises BadPasskey."""
        with _forgeries():
            found = verify_authentication_response(
                credential=dict(answer),
                expected_challenge=base64url_to_bytes(challenge),
                expected_rp_id=self._site.domain,
                expected_origin=list(self._site.origins),
                credential_public_key=key,
                credential_current_sign_count=counter,
                require_user_verification=True,
            )
            return found.new_sign_count


@contextmanager
def _forgeries() -> Iterator[None]:
    try:
        yield
    except BadPasskey:
        raise
    except Exception as error:  # noqa: BLE001 - the library raises whatever a forged answer has it stumble over
        log.info("passkey.refused", error=type(error).__name__)
        raise BadPasskey from None
