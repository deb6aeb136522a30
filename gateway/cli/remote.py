"""The API as commands see it: one address, one key, JSON in and out, and the stream of events. Standard library only.

Commands that talk to a running gateway need neither its settings nor its database: `--api` and `--key`, their
variables, or the sandbox that runs in `.dues/`.
"""

import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlencode, urlsplit

import click

from gateway.cli.app import CommandFailed

TIMEOUT_SECONDS: Final = 30.0
STREAM_SILENCE_SECONDS: Final = 60.0  # four heartbeats: longer, and the other side is gone
_SANDBOX: Final = Path(".dues")
_MARKER: Final = "sandbox.json"
_OK: Final = 200
_SCHEMES: Final = frozenset({"http", "https"})

Json = dict[str, Any]
F = TypeVar("F", bound=Callable[..., Any])


class Unreachable(CommandFailed):
    """Nobody answers, or not to the end; it may be there again later."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the stream; `event` is the bytes as they were sent, None where only the number moves on."""

    sequence: int
    type: str
    event: bytes | None


@dataclass(frozen=True, slots=True)
class Remote:
    """A gateway that runs somewhere."""

    url: str
    key: str

    def get(self, path: str, **query: Any) -> Json:
        """Ask.

        Raises:
            Unreachable: no answer.
            CommandFailed: the API refused; the message is what it said.
        """
        pairs = [
            (name if not isinstance(value, list) else f"{name}[]", each)
            for name, value in query.items()
            for each in (value if isinstance(value, list) else [value])
            if each is not None
        ]
        return self._call("GET", f"{path}?{urlencode(pairs)}" if pairs else path, None)

    def post(self, path: str, **body: Any) -> Json:
        """Do; raises as `get`."""
        return self._call("POST", path, {name: value for name, value in body.items() if value is not None})

    def delete(self, path: str) -> Json:
        """Delete; raises as `get`."""
        return self._call("DELETE", path, None)

    def pages(self, path: str, **query: Any) -> Iterator[Json]:
        """Every entry of a list, newest first."""
        after: str | None = None
        while True:
            page = self.get(path, limit=100, starting_after=after, **query)
            yield from page["data"]
            if not page["has_more"]:
                return
            after = page["data"][-1]["id"]

    def follow(
        self, *, after: int | None, types: list[str] | None = None, profile: str | None = None
    ) -> Iterator[Message]:
        """The events as they happen, until the connection ends; the first message says where it begins.

        Raises:
            Unreachable: it could not be opened, or broke.
            CommandFailed: it was refused.
        """
        pairs = [("types[]", each) for each in types or ()]
        pairs += [("event_profile", profile)] if profile else []
        path = "/v1/events/stream" + (f"?{urlencode(pairs)}" if pairs else "")
        headers = {"Last-Event-ID": str(after)} if after is not None else {}
        connection = self._connected(STREAM_SILENCE_SECONDS)
        try:
            connection.request("GET", self._base() + path, headers={**self._headers(), **headers})
            answer = connection.getresponse()
            if answer.status != _OK:
                raise CommandFailed(_words(answer.status, answer.read()))
            yield from _messages(answer)
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{self.url}: {error or type(error).__name__}") from None
        finally:
            connection.close()

    def _call(self, method: str, path: str, body: Json | None) -> Json:
        connection = self._connected(TIMEOUT_SECONDS)
        headers = self._headers()
        sent = None
        if body is not None:
            sent = json.dumps(body)
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, self._base() + path, body=sent, headers=headers)
            answer = connection.getresponse()
            raw = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{self.url} does not answer ({error or type(error).__name__}). Is it running?") from None
        finally:
            connection.close()
        if answer.status != _OK:
            raise CommandFailed(_words(answer.status, raw))
        found: Json = json.loads(raw)
        return found

    def _connected(self, timeout: float) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        return kind(parts.hostname or "", parts.port, timeout=timeout)

    def _base(self) -> str:
        return urlsplit(self.url).path.rstrip("/")

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}", "User-Agent": "dues-cli"}


def options(command: F) -> F:
    """The options that say where the API is."""
    for add in (
        click.option("--key", envvar="DUES_API_KEY", help="Secret key. [default: $DUES_API_KEY, else the sandbox's]"),
        click.option(
            "--api", envvar="DUES_API_URL", help="URL of the API. [default: $DUES_API_URL, else the sandbox's]"
        ),
    ):
        command = add(command)
    return command


def found(api: str | None, key: str | None) -> Remote:
    """The API that was named, or that of the sandbox that runs here.

    Raises:
        CommandFailed: it was not named, and no sandbox runs here.
    """
    if api is None or key is None:
        facts = sandbox_facts()
        api, key = api or str(facts["api_url"]), key or str(facts["api_key"])
    if urlsplit(api).scheme not in _SCHEMES or not urlsplit(api).hostname:
        raise CommandFailed(f"--api: {api} is not an http(s) URL")
    return Remote(api.rstrip("/"), key)


def sandbox_facts(folder: Path = _SANDBOX) -> Mapping[str, Any]:
    """What `dues sandbox` wrote down about itself.

    Raises:
        CommandFailed: none runs here.
    """
    try:
        facts: Mapping[str, Any] = json.loads((folder / _MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        facts = {}
    if "api_url" not in facts:
        raise CommandFailed(
            f"no API was named and no sandbox runs here ({folder}): give --api and --key, or start `dues sandbox`"
        )
    return facts


def _messages(answer: http.client.HTTPResponse) -> Iterator[Message]:
    fields: dict[bytes, bytes] = {}
    for line in iter(answer.readline, b""):
        name, _, value = line.rstrip(b"\r\n").partition(b":")
        if line.strip():
            fields[name] = value.removeprefix(b" ")
        else:
            if b"id" in fields:
                yield Message(int(fields[b"id"]), fields.get(b"event", b"").decode(), fields.get(b"data"))
            fields = {}


def _words(status: int, raw: bytes) -> str:
    try:
        error = json.loads(raw)["error"]
        where = f", {error['param']}" if error.get("param") else ""
        return f"the API refused: {error['message']} ({status} {error.get('code')}{where})"
    except (ValueError, KeyError, TypeError):
        return f"the API answered {status}"
