"""The password exchange, against vectors that the driver's own code agreed with."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sandbox.oracle.auth import (
    Login,
    Verifier,
    decrypt,
    encrypt,
    pad,
    password_hash,
    session_key,
    unpad,
)

HALF_A = bytes(range(0x20))
HALF_B = bytes(range(0x64, 0x84))
KEY_SALT = bytes(range(0x32, 0x42))


def login_12c(password: str | None = "tiger") -> Login:
    return Login("12c", password, bytes(range(16)), HALF_A, KEY_SALT)


def login_11g() -> Login:
    return Login("11g", "tiger", bytes(range(10)), bytes(range(0x30)), b"")


def test_12c_vectors() -> None:
    hashed = password_hash("12c", "tiger", bytes(range(16)))
    assert (
        hashed.hex().upper() == "14EA3F411C70C9A3E7AA9026B8D71B205A99B5EFB1E5F739B6C13191E5935AB3"
    )
    pairs = {key: (value, flags) for key, value, flags in login_12c().challenge()}
    assert pairs["AUTH_SESSKEY"][0] == (
        "FD84F1E4351AA1507974681DDC1ED8C9CE37E7AB2FF7F4FE859422FD201E74DD"
    )
    assert pairs["AUTH_VFR_DATA"] == ("000102030405060708090A0B0C0D0E0F", 0x4815)
    assert pairs["AUTH_PBKDF2_VGEN_COUNT"][0] == "4096"
    assert pairs["AUTH_PBKDF2_SDER_COUNT"][0] == "3"
    key = session_key("12c", HALF_A, HALF_B, KEY_SALT)
    assert key.hex().upper() == "91471DCC85DA2C5AD2A4A1DBB278FB2F750BF61CA2908DECCDE3543DB6A8062A"


def test_12c_login() -> None:
    proof = login_12c().verify(
        "1483CA7E0DA85039D082C62CC72ECE7BF9D95AEC39658FE978DE7B9C91ABB592",
        "D654031A19BCB40F30E546B2113B6DBB844FEDC6B1D83095CEF30CC8B44D8092",
    )
    assert proof is not None
    key = session_key("12c", HALF_A, HALF_B, KEY_SALT)
    assert unpad(decrypt(key, bytes.fromhex(proof)))[16:] == b"SERVER_TO_CLIENT"


def test_11g_vectors_and_login() -> None:
    login = login_11g()
    hashed = password_hash("11g", "tiger", bytes(range(10)))
    assert hashed.hex().upper() == "15597ABE90E7A4FF4E897831AD7EAB681374006A00000000"
    pairs = {key: (value, flags) for key, value, flags in login.challenge()}
    assert pairs["AUTH_SESSKEY"][0] == (
        "BF2F2385E29DF3E341F478D172C0394757D4DD8DD6B34A25FE824CD9C8805B7C"
        "A8CBF0786BACCC9311A1A92C0F236835"
    )
    assert pairs["AUTH_VFR_DATA"][1] == 0x1B25
    client_half = bytes(range(0x64, 0x94))
    key = session_key("11g", bytes(range(0x30)), client_half, b"")
    assert key.hex().upper() == "6B521DC08446C284DC612EB612D1F4BAE87904570BF5430E"
    sent = encrypt(hashed, client_half).hex().upper()
    password = "49F88BD239423F4659FB13AFFAAB78E4B2A92BA70C983F49ED7D6F1E1AEFC3B7"
    assert login.verify(sent, password) is not None


@pytest.mark.parametrize("verifier", ["11g", "12c"])
def test_an_unknown_account_gets_a_challenge_of_the_same_shape_and_no_proof(
    verifier: Verifier,
) -> None:
    known, unknown = Login.begin(verifier, "tiger"), Login.begin(verifier, None)
    shape = [(key, len(value), flags) for key, value, flags in known.challenge()]
    assert [(key, len(value), flags) for key, value, flags in unknown.challenge()] == shape
    assert unknown.verify("00" * 48, "00" * 32) is None


@pytest.mark.parametrize(
    ("key", "password"), [("", ""), ("zz", "00" * 32), ("00" * 7, "00" * 32), ("00" * 32, "00")]
)
def test_garbage_is_a_wrong_password(key: str, password: str) -> None:
    assert login_12c().verify(key, password) is None


@settings(max_examples=25)
@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_only_the_right_password_is_proved(password: str, other: str) -> None:
    login = Login.begin("11g", password)
    half = bytes(range(48))
    hashed = password_hash("11g", other, login.salt)
    server_half = decrypt(hashed, bytes.fromhex(login.challenge()[0][1]))
    key = session_key("11g", server_half, half, b"")
    sent = encrypt(key, pad(bytes(16) + other.encode())).hex()
    proof = login.verify(encrypt(hashed, half).hex(), sent)
    assert (proof is not None) == (password == other)
