"""Ed25519 by the package cryptography. Source: RFC 8032, section 5.1.7."""


class Ed25519Signatures:
    """A SignatureVerifier."""

    def verifies(self, public_key: bytes, signature: bytes, content: bytes) -> bool:
        # Imported here: most uploads bear no signature.
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - see above
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - see above
            Ed25519PublicKey,
        )

        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(signature, content)
        except (InvalidSignature, ValueError):
            return False
        return True
