"""EIP-4361, signing in with a wallet: the message by its grammar, its text, what makes it acceptable, who signed it.

The grammar is the ABNF of the EIP with that of RFC 3986 (authority, URI) and RFC 3339 (date-time); nothing is repaired
and nothing is passed over: a text that is no message is refused, and a message has one text. Which nonce is still good
is not known here.
"""

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from chain import eip712
from chain.checksum import checksum
from chain.keccak import keccak256
from chain.port import ChainPort
from chain.primitives import Address, address

TEXT_LENGTH_MAX: Final = 4_096
"""Characters of a message that are looked at: ours have about 400."""

_PCT: Final = "%[0-9A-Fa-f]{2}"
_UNRESERVED: Final = r"A-Za-z0-9._~\-"
_SUB_DELIMS: Final = "!$&'()*+,;="
_PCHAR: Final = f"(?:[{_UNRESERVED}{_SUB_DELIMS}:@]|{_PCT})"
_OCTET: Final = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4: Final = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_H16: Final = "[0-9A-Fa-f]{1,4}"
_LS32: Final = f"(?:{_H16}:{_H16}|{_IPV4})"
_IPV6: Final = "|".join(
    (
        f"(?:{_H16}:){{6}}{_LS32}",
        f"::(?:{_H16}:){{5}}{_LS32}",
        f"(?:{_H16})?::(?:{_H16}:){{4}}{_LS32}",
        f"(?:(?:{_H16}:){{0,1}}{_H16})?::(?:{_H16}:){{3}}{_LS32}",
        f"(?:(?:{_H16}:){{0,2}}{_H16})?::(?:{_H16}:){{2}}{_LS32}",
        f"(?:(?:{_H16}:){{0,3}}{_H16})?::{_H16}:{_LS32}",
        f"(?:(?:{_H16}:){{0,4}}{_H16})?::{_LS32}",
        f"(?:(?:{_H16}:){{0,5}}{_H16})?::{_H16}",
        f"(?:(?:{_H16}:){{0,6}}{_H16})?::",
    )
)
_IPV_FUTURE: Final = rf"[vV][0-9A-Fa-f]+\.[{_UNRESERVED}{_SUB_DELIMS}:]+"
_REG_NAME: Final = f"(?:[{_UNRESERVED}{_SUB_DELIMS}]|{_PCT})"
_USERINFO: Final = f"(?:[{_UNRESERVED}{_SUB_DELIMS}:]|{_PCT})*"
_LITERAL: Final = rf"\[(?:{_IPV6}|{_IPV_FUTURE})\]"
_AUTHORITY: Final = f"(?:{_USERINFO}@)?(?:{_LITERAL}|{_REG_NAME}*)(?::[0-9]*)?"
_NAMED_AUTHORITY: Final = f"(?:{_USERINFO}@)?(?:{_LITERAL}|{_REG_NAME}+)(?::[0-9]*)?"
_SCHEME: Final = "[A-Za-z][A-Za-z0-9+.-]*"
_QUERY: Final = f"(?:{_PCHAR}|[/?])*"
_HIER: Final = (
    f"(?://{_AUTHORITY}(?:/{_PCHAR}*)*"  # authority and a path that is empty or begins with /
    f"|/(?:{_PCHAR}+(?:/{_PCHAR}*)*)?"  # an absolute path
    f"|{_PCHAR}+(?:/{_PCHAR}*)*"  # a path without a root
    "|)"
)

_DOMAIN: Final = re.compile(_NAMED_AUTHORITY)
"""A domain that is empty names nobody, so that its host has at least one character here."""

_URI: Final = re.compile(rf"{_SCHEME}:{_HIER}(?:\?{_QUERY})?(?:\#{_QUERY})?")
_SCHEME_ALONE: Final = re.compile(_SCHEME)
_STATEMENT: Final = re.compile(rf"[{_UNRESERVED}{_SUB_DELIMS}:/?\#\[\]@ ]+")
_NONCE: Final = re.compile("[A-Za-z0-9]{8,}")
_REQUEST_ID: Final = re.compile(f"{_PCHAR}*")
_CHAIN_ID: Final = re.compile("[0-9]{1,78}")
_DATE_TIME: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_LEAP_SECOND: Final = 60
_MICROSECOND_DIGITS: Final = 6

_GREETING: Final = " wants you to sign in with your Ethereum account:"
_HEAD_LINES: Final = 3


class SiweMalformed(ValueError):
    """The text is no message of EIP-4361, or a field cannot stand in one; the message says which."""


class SiweRefused(Exception):
    """A well-formed message that is not for us, or not now. `code` names the rule."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class SiweMessage:
    """A message. Times are RFC 3339 texts as they were signed; `account` is lower case, its text is EIP-55.

    Raises:
        SiweMalformed: a field does not fit the grammar.
    """

    domain: str
    account: Address
    uri: str
    chain_id: int
    nonce: str
    issued_at: str
    scheme: str | None = None
    statement: str | None = None
    expiration_time: str | None = None
    not_before: str | None = None
    request_id: str | None = None
    resources: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        _fits(_DOMAIN, self.domain, "domain")
        _fits(_URI, self.uri, "URI")
        _fits(_NONCE, self.nonce, "nonce")
        for pattern, text, name in (
            (_SCHEME_ALONE, self.scheme, "scheme"),
            (_STATEMENT, self.statement, "statement"),
            (_REQUEST_ID, self.request_id, "request id"),
        ):
            if text is not None:
                _fits(pattern, text, name)
        for text in self.resources or ():
            _fits(_URI, text, "resource")
        for text in (self.issued_at, self.expiration_time, self.not_before):
            if text is not None:
                instant(text)
        if not isinstance(self.chain_id, int) or self.chain_id < 0:
            raise SiweMalformed(f"not a chain id: {self.chain_id!r}")

    @property
    def text(self) -> str:
        """What a wallet signs."""
        lines = [
            f"{'' if self.scheme is None else self.scheme + '://'}{self.domain}{_GREETING}",
            checksum(self.account),
            "",
            *([] if self.statement is None else [self.statement]),
            "",
            f"URI: {self.uri}",
            "Version: 1",
            f"Chain ID: {self.chain_id}",
            f"Nonce: {self.nonce}",
            f"Issued At: {self.issued_at}",
            *_optional("Expiration Time: ", self.expiration_time),
            *_optional("Not Before: ", self.not_before),
            *_optional("Request ID: ", self.request_id),
            *([] if self.resources is None else ["Resources:", *(f"- {uri}" for uri in self.resources)]),
        ]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a message must say to be ours.

    Attributes:
        scheme, domain: of the page that asks; a message may leave the scheme out, but not name another one.
        uri: what is signed in to.
        chain_ids: chains that we know.
        nonce: the one that was given to this browser.
    """

    scheme: str
    domain: str
    uri: str
    chain_ids: AbstractSet[int]
    nonce: str


def parse(text: str) -> SiweMessage:
    """Read a message.

    Raises:
        SiweMalformed: it is none.
    """
    if len(text) > TEXT_LENGTH_MAX:
        raise SiweMalformed("too long")
    lines = text.split("\n")
    if len(lines) < _HEAD_LINES or not lines[0].endswith(_GREETING) or lines[2]:
        raise SiweMalformed("does not begin like a message")
    origin = lines[0].removesuffix(_GREETING)
    scheme, separator, domain = origin.rpartition("://")
    rest = lines[_HEAD_LINES:]
    statement = None if not rest or rest[0] == "" else rest.pop(0)
    reader = _Reader(rest)
    reader.blank()
    found = SiweMessage(
        scheme=scheme if separator else None,
        domain=domain,
        account=read_account(lines[1]),
        statement=statement,
        uri=reader.take("URI: "),
        chain_id=reader.version_and_chain(),
        nonce=reader.take("Nonce: "),
        issued_at=reader.take("Issued At: "),
        expiration_time=reader.take_if("Expiration Time: "),
        not_before=reader.take_if("Not Before: "),
        request_id=reader.take_if("Request ID: "),
        resources=reader.resources(),
    )
    if found.text != text:
        raise SiweMalformed("something follows that belongs to no field, or a number is written another way")
    return found


def check(message: SiweMessage, expected: Expected, now: datetime) -> None:
    """Compare a message with what was asked for.

    Raises:
        SiweRefused: `wrong_domain`, `wrong_uri`, `wrong_chain`, `wrong_nonce`, `expired` or `not_yet_valid`.
    """
    other_scheme = message.scheme is not None and message.scheme.lower() != expected.scheme
    if message.domain != expected.domain or other_scheme:
        raise SiweRefused("wrong_domain")
    if message.uri != expected.uri:
        raise SiweRefused("wrong_uri")
    if message.chain_id not in expected.chain_ids:
        raise SiweRefused("wrong_chain")
    if message.nonce != expected.nonce:
        raise SiweRefused("wrong_nonce")
    if message.expiration_time is not None and now >= instant(message.expiration_time):
        raise SiweRefused("expired")
    if message.not_before is not None and now < instant(message.not_before):
        raise SiweRefused("not_yet_valid")


def digest(text: str) -> bytes:
    """The 32 bytes that `personal_sign` signs for a text (EIP-191)."""
    raw = text.encode()
    return keccak256(b"\x19Ethereum Signed Message:\n" + str(len(raw)).encode() + raw)


def is_signed_by_key(message: SiweMessage, signature: bytes) -> bool:
    """Whether the key of a message's account signed it; that counts on every chain."""
    counted = signature
    if signature[64:] in (b"\x00", b"\x01"):
        # Some wallets count the recovery byte from 0.
        counted = signature[:64] + bytes([signature[64] + 27])
    return eip712.recover(digest(message.text), counted) == message.account


async def is_signed(chain: ChainPort, message: SiweMessage, signature: bytes) -> bool:
    """Whether the account of a message signed it: with its key, or by the word of its code on `chain` (ERC-1271).

    A contract's word counts on its own chain alone: somebody else may hold the same address on another one.

    Raises:
        RpcUnavailable, RpcRejected: the key did not sign, and the node could not be asked about the code.
    """
    if is_signed_by_key(message, signature):
        return True
    return await eip712.verify_signature(chain, message.account, digest(message.text), signature)


def instant(text: str) -> datetime:
    """The moment that an RFC 3339 date-time names.

    Raises:
        SiweMalformed: it names none.
    """
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        raise SiweMalformed(f"not a date-time: {text[:40]!r}")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, sign, hours, minutes = match.groups()[6:]
    leap = second == _LEAP_SECOND
    try:
        offset = timedelta(hours=int(hours), minutes=int(minutes)) if sign else timedelta()
        zone = timezone(-offset if sign == "-" else offset)
        at = datetime(year, month, day, hour, minute, second - leap, tzinfo=zone).astimezone(UTC)
        return at + timedelta(
            seconds=int(leap), microseconds=int((fraction or "0")[:6].ljust(_MICROSECOND_DIGITS, "0"))
        )
    except (ValueError, OverflowError):
        raise SiweMalformed(f"not a date-time: {text[:40]!r}") from None


class _Reader:
    """The lines after the statement, in the only order that there is."""

    def __init__(self, lines: list[str]) -> None:
        self._lines: Iterator[str] = iter(lines)
        self._next: str | None = next(self._lines, None)

    def blank(self) -> None:
        if self._next != "":
            raise SiweMalformed("an empty line is missing before the fields")
        self._next = next(self._lines, None)

    def take(self, label: str) -> str:
        found = self.take_if(label)
        if found is None:
            raise SiweMalformed(f"{label.strip()} is missing, or stands in another place")
        return found

    def take_if(self, label: str) -> str | None:
        if self._next is None or not self._next.startswith(label):
            return None
        found = self._next.removeprefix(label)
        self._next = next(self._lines, None)
        return found

    def version_and_chain(self) -> int:
        if self.take("Version: ") != "1":
            raise SiweMalformed("Version is not 1")
        number = self.take("Chain ID: ")
        _fits(_CHAIN_ID, number, "chain id")
        return int(number)

    def resources(self) -> tuple[str, ...] | None:
        if self._next != "Resources:":
            return None
        self._next = next(self._lines, None)
        found = []
        while (uri := self.take_if("- ")) is not None:
            found.append(uri)
        return tuple(found)


def _fits(pattern: re.Pattern[str], text: str, name: str) -> None:
    if not pattern.fullmatch(text):
        raise SiweMalformed(f"not a {name}: {text[:80]!r}")


def read_account(text: str) -> Address:
    """The account that a message names: in EIP-55 letters, and no others.

    Raises:
        SiweMalformed: it is none, or in other letters.
    """
    try:
        found = address(text)
    except ValueError as error:
        raise SiweMalformed(str(error)) from None
    if checksum(found) != text:
        raise SiweMalformed("the address is not in EIP-55 letters")
    return found


def _optional(label: str, value: str | None) -> list[str]:
    return [] if value is None else [label + value]
