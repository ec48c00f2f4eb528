"""The password exchange: Oracle's 12c and 11g verifiers, server side.

The password never crosses the wire. Both sides derive H from the password and a salt that
the server hands out, exchange two random halves A and B encrypted with H, mix them to a
session key S, and prove that they know S. All AES is CBC with a zero IV.

12c  K = PBKDF2-HMAC-SHA512(password, salt + "AUTH_PBKDF2_SPEEDY_KEY", 4096 rounds, 64 bytes)
     H = SHA512(K + salt)[:32]
     S = PBKDF2-HMAC-SHA512(hex(B[:32] + A[:32]), C, 3 rounds, 32 bytes)
11g  H = SHA1(password + salt) + 4 zero bytes
     X = A[16:40] xor B[16:40];  S = (MD5(X[:16]) + MD5(X[16:24]))[:24]

Source: python-oracledb 26.1, `impl/thin/messages/auth.pyx`, `_generate_verifier`.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Literal

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

Verifier = Literal["11g", "12c"]

VERIFIER_TYPES: dict[Verifier, int] = {"11g": 0x1B25, "12c": 0x4815}
VERIFIER_ROUNDS = 4096
SESSION_KEY_ROUNDS = 3
RANDOM_PREFIX = 16
SERVER_PROOF = b"SERVER_TO_CLIENT"


def encrypt(key: bytes, data: bytes) -> bytes:
    """AES-CBC with a zero IV; `data` is a multiple of 16 bytes."""
    encryptor = Cipher(algorithms.AES(key), modes.CBC(bytes(16))).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def decrypt(key: bytes, data: bytes) -> bytes:
    """The inverse of `encrypt`."""
    decryptor = Cipher(algorithms.AES(key), modes.CBC(bytes(16))).decryptor()
    return decryptor.update(data) + decryptor.finalize()


def pad(data: bytes) -> bytes:
    """PKCS#7 padding to 16 bytes."""
    size = 16 - len(data) % 16
    return data + bytes((size,)) * size


def unpad(data: bytes) -> bytes:
    """The inverse of `pad`. Raises ValueError when `data` was not padded."""
    if not data or len(data) % 16:
        raise ValueError("not padded")
    size = data[-1]
    if not 1 <= size <= 16 or data[-size:] != bytes((size,)) * size:
        raise ValueError("not padded")
    return data[:-size]


def password_hash(verifier: Verifier, password: str, salt: bytes) -> bytes:
    """H: 32 bytes for 12c, 24 bytes for 11g."""
    secret = password.encode("utf-8")
    if verifier == "11g":
        return hashlib.sha1(secret + salt, usedforsecurity=False).digest() + bytes(4)
    speedy_salt = salt + b"AUTH_PBKDF2_SPEEDY_KEY"
    key = hashlib.pbkdf2_hmac("sha512", secret, speedy_salt, VERIFIER_ROUNDS, 64)
    return hashlib.sha512(key + salt).digest()[:32]


def session_key(verifier: Verifier, server: bytes, client: bytes, salt: bytes) -> bytes:
    """S, from the two random halves A (`server`) and B (`client`) and the salt C (12c)."""
    if verifier == "11g":
        mixed = bytes(a ^ b for a, b in zip(server[16:40], client[16:40], strict=True))
        halves = hashlib.md5(mixed[:16], usedforsecurity=False).digest()
        halves += hashlib.md5(mixed[16:], usedforsecurity=False).digest()
        return halves[:24]
    material = (client[:32] + server[:32]).hex().upper().encode("ascii")
    return hashlib.pbkdf2_hmac("sha512", material, salt, SESSION_KEY_ROUNDS, 32)


@dataclass(slots=True)
class Login:
    """One login in progress. `password` None stands for an account that does not exist.

    Such an account goes through the same motions, so that nobody can tell it from a wrong
    password.
    """

    verifier: Verifier
    password: str | None
    salt: bytes
    server_half: bytes
    key_salt: bytes

    @classmethod
    def begin(cls, verifier: Verifier, password: str | None) -> Login:
        modern = verifier == "12c"
        return cls(
            verifier,
            password,
            salt=secrets.token_bytes(16 if modern else 10),
            server_half=secrets.token_bytes(32 if modern else 48),
            key_salt=secrets.token_bytes(16),
        )

    @property
    def _hash(self) -> bytes:
        known = self.password if self.password is not None else self.salt.hex()
        return password_hash(self.verifier, known, self.salt)

    def challenge(self) -> list[tuple[str, str, int]]:
        """The pairs (key, value, flags) that answer phase one."""
        pairs = [
            ("AUTH_SESSKEY", encrypt(self._hash, self.server_half).hex().upper(), 0),
            ("AUTH_VFR_DATA", self.salt.hex().upper(), VERIFIER_TYPES[self.verifier]),
        ]
        if self.verifier == "12c":
            pairs += [
                ("AUTH_PBKDF2_CSK_SALT", self.key_salt.hex().upper(), 0),
                ("AUTH_PBKDF2_VGEN_COUNT", str(VERIFIER_ROUNDS), 0),
                ("AUTH_PBKDF2_SDER_COUNT", str(SESSION_KEY_ROUNDS), 0),
            ]
        return pairs

    def verify(self, client_key: str, client_password: str) -> str | None:
        """AUTH_SVR_RESPONSE when the client knows the password, None when it does not."""
        try:
            client_half = decrypt(self._hash, bytes.fromhex(client_key))
            key = session_key(self.verifier, self.server_half, client_half, self.key_salt)
            sent = unpad(decrypt(key, bytes.fromhex(client_password)))[RANDOM_PREFIX:]
        except ValueError:
            return None
        if self.password is None:
            return None
        if not hmac.compare_digest(sent, self.password.encode("utf-8")):
            return None
        return encrypt(key, pad(secrets.token_bytes(RANDOM_PREFIX) + SERVER_PROOF)).hex().upper()
