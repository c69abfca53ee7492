"""Client keys as files: what openssl and others write is read, what an EHR would not take is refused by its reason."""

from __future__ import annotations

import json
import shutil
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from math import lcm
from pathlib import Path
from time import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from hilum.broker import pairs
from hilum.problems import Invalid

NOW = time()
PASSPHRASE = "open sesame"
OPENSSL = shutil.which("openssl")
FORMS = ("pkcs1", "pkcs8", "sec1", "pkcs8-ec")

MAKE = {
    "pkcs8": "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out pkcs8",
    "pkcs1": "rsa -in pkcs8 -traditional -out pkcs1",
    "pkcs1-locked": "rsa -in pkcs8 -traditional -aes256 -passout file:pass -out pkcs1-locked",
    "pkcs8-locked": "pkcs8 -topk8 -in pkcs8 -v2 aes-256-cbc -passout file:pass -out pkcs8-locked",
    "sec1": "ecparam -name secp384r1 -genkey -out sec1",
    "sec1-locked": "ec -in sec1 -aes256 -passout file:pass -out sec1-locked",
    "pkcs8-ec": "pkcs8 -topk8 -nocrypt -in sec1 -out pkcs8-ec",
    "pkcs8-ec-locked": "pkcs8 -topk8 -in sec1 -passout file:pass -out pkcs8-ec-locked",
    "x509": "req -new -x509 -key pkcs1 -subj /CN=broker -days 30 -out x509",
    "x509-ec": "req -new -x509 -key sec1 -subj /CN=broker -days 30 -out x509-ec",
}


def pem(key: object, format: PrivateFormat = PrivateFormat.PKCS8, passphrase: str = "") -> str:
    locked = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, format, locked).decode()  # type: ignore[attr-defined]


def by_openssl(folder: Path) -> dict[str, str]:
    (folder / "pass").write_text(PASSPHRASE + "\n")
    for command in MAKE.values():
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
    return {name: (folder / name).read_text() for name in MAKE}


def by_cryptography(folder: Path) -> dict[str, str]:
    one, other = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())
    found = {}
    for key, traditional, modern in ((one, "pkcs1", "pkcs8"), (other, "sec1", "pkcs8-ec")):
        for name, format in ((traditional, PrivateFormat.TraditionalOpenSSL), (modern, PrivateFormat.PKCS8)):
            found[name] = pem(key, format)
            found[f"{name}-locked"] = pem(key, format, PASSPHRASE)
    for name, source in (("x509", "pkcs1"), ("x509-ec", "sec1")):
        found[name] = pairs.self_signed(pairs.read(found[source], now=NOW), "sandbox", NOW)
    return found


MAKERS: dict[str, Callable[[Path], dict[str, str]]] = {"openssl": by_openssl, "cryptography": by_cryptography}


@pytest.fixture(scope="module", params=MAKERS)
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An RSA and an EC key with their certificates, in all forms."""
    if request.param == "openssl" and OPENSSL is None:
        pytest.skip("there is no openssl here")
    return MAKERS[request.param](tmp_path_factory.mktemp("files"))


def thumbprint(public: dict[str, str]) -> str:
    """RFC 7638, 3, from its text."""
    names = ("e", "kty", "n") if public["kty"] == "RSA" else ("crv", "kty", "x", "y")
    text = json.dumps({name: public[name] for name in names}, separators=(",", ":"))
    return urlsafe_b64encode(sha256(text.encode()).digest()).decode().rstrip("=")


def public_pem(text: str) -> str:
    """As cryptography writes it, of a private key that is not locked."""
    key = load_pem_private_key(text.encode(), None)
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("locked", ["", "-locked"])
def test_every_form_of_a_key_is_the_same_key(files: dict[str, str], form: str, locked: str) -> None:
    plain = "pkcs8" if form.startswith(("pkcs1", "pkcs8")) and "ec" not in form else "pkcs8-ec"
    read = pairs.read(files[form + locked], PASSPHRASE if locked else "", now=NOW)
    assert read.alg == ("RS384" if plain == "pkcs8" else "ES384")
    assert pairs.public_pem(read.public) == public_pem(files[plain])
    assert read.kid == read.public["kid"] == thumbprint(read.public)
    assert read.key.is_private


def test_the_public_half_has_nothing_of_the_private_one(files: dict[str, str]) -> None:
    assert set(pairs.read(files["pkcs8"], now=NOW).public) == {"kty", "n", "e", "kid", "alg", "use"}
    assert set(pairs.read(files["sec1"], now=NOW).public) == {"kty", "crv", "x", "y", "kid", "alg", "use"}


def test_a_passphrase_that_nobody_asked_for_is_no_harm(files: dict[str, str]) -> None:
    assert pairs.read(files["pkcs8"], "of something else", now=NOW).kid == pairs.read(files["pkcs1"], now=NOW).kid


@pytest.mark.parametrize("form", FORMS)
def test_lines_may_end_as_they_do_in_a_variable_or_on_windows(files: dict[str, str], form: str) -> None:
    whole = files[form]
    kid = pairs.read(whole, now=NOW).kid
    for text in (whole.replace("\n", "\\n"), f'"{whole}"'.replace("\n", "\\r\\n"), whole.replace("\n", "\r\n")):
        assert pairs.read(text, now=NOW).kid == kid
    assert pairs.read("Bag Attributes\n  friendlyName: key\n" + whole + "trailing", now=NOW).kid == kid


@pytest.mark.parametrize("form", FORMS)
def test_a_locked_key_says_what_it_wants(files: dict[str, str], form: str) -> None:
    with pytest.raises(Invalid, match="passphrase is needed"):
        pairs.read(files[f"{form}-locked"], now=NOW)
    with pytest.raises(Invalid, match="another passphrase"):
        pairs.read(files[f"{form}-locked"], "close sesame", now=NOW)


@pytest.mark.parametrize(("form", "certificate"), [("pkcs1", "x509"), ("pkcs8-ec", "x509-ec")])
def test_a_certificate_of_the_key_is_kept(files: dict[str, str], form: str, certificate: str) -> None:
    read = pairs.read(files[form] + files[certificate], now=NOW)
    assert read.certificate.split() == files[certificate].split()
    chain = files["x509-ec" if certificate == "x509" else "x509"] + files[certificate]
    assert pairs.read(chain + files[form], now=NOW).certificate == read.certificate


def test_a_certificate_of_another_key_is_refused(files: dict[str, str]) -> None:
    with pytest.raises(Invalid, match="another key"):
        pairs.read(files["pkcs1"] + files["x509-ec"], now=NOW)


def test_a_certificate_that_has_ended_is_refused(files: dict[str, str]) -> None:
    with pytest.raises(Invalid, match="has ended"):
        pairs.read(files["pkcs1"] + files["x509"], now=NOW + 11 * 365 * 86400)


def test_a_certificate_alone_signs_nothing(files: dict[str, str]) -> None:
    with pytest.raises(Invalid, match="one private key was expected, and 0 were found"):
        pairs.read(files["x509"], now=NOW)
    with pytest.raises(Invalid, match="2 were found"):
        pairs.read(files["pkcs1"] + files["sec1"], now=NOW)


def too_long() -> rsa.RSAPrivateKey:
    """Of two Mersenne primes, since others of that length take minutes to find."""
    p, q, e = (1 << 4423) - 1, (1 << 4253) - 1, 65537
    d = pow(e, -1, lcm(p - 1, q - 1))
    public = rsa.RSAPublicNumbers(e, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def long_exponent() -> rsa.RSAPrivateKey:
    """A public exponent of 33 bits: who verifies with it works for long."""
    found = rsa.generate_private_key(65537, 2048).private_numbers()
    e = (1 << 32) + 15
    d = pow(e, -1, lcm(found.p - 1, found.q - 1))
    public = rsa.RSAPublicNumbers(e, found.p * found.q)
    numbers = rsa.RSAPrivateNumbers(found.p, found.q, d, d % (found.p - 1), d % (found.q - 1), found.iqmp, public)
    return numbers.private_key()


def mismade() -> rsa.RSAPrivateKey:
    """Its private exponent is another key's."""
    found = rsa.generate_private_key(65537, 2048).private_numbers()
    numbers = rsa.RSAPrivateNumbers(
        found.p, found.q, found.d + 2, found.dmp1, found.dmq1, found.iqmp, found.public_numbers
    )
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "RSA of 1024 bits": (lambda: rsa.generate_private_key(65537, 1024), "has 1024 bits; 2048 to 8192 are taken"),
    "RSA of 2047 bits": (lambda: rsa.generate_private_key(65537, 2047), "has 2047 bits"),
    "RSA of 8676 bits": (too_long, "has 8676 bits"),
    "RSA with a long exponent": (long_exponent, "public exponent of at most 32"),
    "RSA whose numbers do not fit": (mismade, "can't be read: it is damaged"),
    "P-256": (lambda: ec.generate_private_key(ec.SECP256R1()), "curve secp256r1; ES384 needs P-384"),
    "P-521": (lambda: ec.generate_private_key(ec.SECP521R1()), "curve secp521r1"),
    "secp256k1": (lambda: ec.generate_private_key(ec.SECP256K1()), "curve secp256k1"),
    "Ed25519": (ed25519.Ed25519PrivateKey.generate, "neither an RSA key nor an EC key"),
    "DSA": (lambda: dsa.generate_private_key(1024), "neither an RSA key nor an EC key"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_key_that_no_ehr_has_to_take_is_refused(name: str) -> None:
    make, said = REFUSED[name]
    with pytest.raises(Invalid, match=said):
        pairs.read(pem(make()), now=NOW)


def test_files_of_other_kinds_are_told_apart() -> None:
    openssh = pem(ec.generate_private_key(ec.SECP384R1()), PrivateFormat.OpenSSH)
    with pytest.raises(Invalid, match="'OPENSSH PRIVATE KEY'"):
        pairs.read(openssh, now=NOW)
    with pytest.raises(Invalid, match="0 were found"):
        pairs.read("", now=NOW)
    with pytest.raises(Invalid, match="at most 64 KiB"):
        pairs.read("-----BEGIN PRIVATE KEY-----" * 10_000, now=NOW)


def test_what_is_refused_is_never_repeated(files: dict[str, str]) -> None:
    lines = files["pkcs8"].splitlines()
    broken = "\n".join([*lines[:5], *lines[6:]])
    with pytest.raises(Invalid) as refused:
        pairs.read(broken, now=NOW)
    assert not any(line in str(refused.value) for line in lines[1:-1])
    assert lines[3] not in repr(pairs.read(files["pkcs8"], now=NOW))


WHOLE = pem(ec.generate_private_key(ec.SECP384R1()), PrivateFormat.TraditionalOpenSSL)
KID = pairs.read(WHOLE, now=NOW).kid


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, len(WHOLE)), length=st.integers(0, 80), instead=st.text(max_size=8))
def test_a_file_with_a_hole_is_the_same_key_or_refused(at: int, length: int, instead: str) -> None:
    try:
        read = pairs.read(WHOLE[:at] + instead + WHOLE[at + length :], now=NOW)
    except Invalid:
        return
    assert read.kid == KID


@pytest.mark.parametrize("alg", pairs.ALGORITHMS)
def test_a_pair_that_is_made_here_goes_to_a_portal_as_a_certificate(alg: str) -> None:
    made = pairs.made(alg)
    certificate = x509.load_pem_x509_certificate(pairs.self_signed(made, "production", NOW).encode())
    certificate.verify_directly_issued_by(certificate)
    assert certificate.public_key() == load_pem_public_key(pairs.public_pem(made.public).encode())
    assert certificate.subject.rfc4514_string() == f"CN=hilum production {made.kid}"
    assert pairs.opened(alg, made.key.as_dict(private=True)).kid == made.kid == thumbprint(made.public)
    assert made.public["alg"] == alg


def test_there_are_no_other_algorithms() -> None:
    with pytest.raises(Invalid, match="RS384 and ES384; 'RS256' is neither"):
        pairs.made("RS256")
