"""Logs: one line per record, for people or for machines, with secrets taken out. Entry points call `configure` once.

Everything else logs through the standard library: `logging.getLogger(__name__)`, facts as `extra={"charge": …}`. Each
such fact becomes a field. The id of the request that is being served is added by itself.
"""

import json
import logging
import re
import sys
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, Literal, TextIO
from urllib.parse import urlsplit

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Set by the API for the time of a request."""

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
"""Attributes that are no facts of ours; the last one is uvicorn's message again, with colours."""

_PUBLIC_HEX: Final = re.compile(r"(hash|block|parent|transaction|tx|digest|topic|salt)(s|_id)?$", re.IGNORECASE)
_SECRET_LENGTH_MIN: Final = 8  # shorter values ("dues", "0") would blank out ordinary words

_API_KEY: Final = re.compile(r"\b([prs]k_(?:test|live)_)[A-Za-z0-9]{8,}")
_WEBHOOK_SECRET: Final = re.compile(r"\b(whsec_)[A-Za-z0-9+/=_-]{8,}")
_CLIENT_SECRET: Final = re.compile(r"\b([a-z]+_[a-z0-9]+_secret_)[A-Za-z0-9_-]{8,}")
_PAGE_TOKEN: Final = re.compile(
    r"(/(?:(?:checkout|i)/[a-z0-9_]+|customer/auth/link|customer/session)/)[A-Za-z0-9_-]{8,}"
)
_URL_CREDENTIALS: Final = re.compile(r"\b([a-z][a-z0-9+.-]*://)[^/@\s'\"]*@")
_HEX32: Final = re.compile(r"(?P<before>\b(?:hash|block|transaction|tx|digest)s?[ =:]+)?\b(?:0x)?[0-9a-fA-F]{64}\b")
_SIGNED_BYTES: Final = re.compile(r"\b0x[0-9a-fA-F]{200,}\b")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class Redactor:
    """Takes secrets out of text: known values, and everything that has the form of one."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Remember `secrets`, the values of this installation's settings."""
        self._replacements: dict[str, str] = {}
        for secret in secrets:
            self._remember(secret)

    def text(self, text: str) -> str:
        """`text` without secrets. A 32-byte hex number stays only where a word before it calls it a hash."""
        text = self._known(text)
        text = _URL_CREDENTIALS.sub(r"\1…@", text)
        text = _PAGE_TOKEN.sub(r"\1…", text)
        text = _API_KEY.sub(r"\1…", text)
        text = _WEBHOOK_SECRET.sub(r"\1…", text)
        text = _CLIENT_SECRET.sub(r"\1…", text)
        text = _HEX32.sub(lambda found: found[0] if found["before"] else "0x…", text)
        return _SIGNED_BYTES.sub("0x…", text)

    def field(self, name: str, value: Any) -> Any:
        """`value` of the field `name` without secrets; fields named after hashes and blocks keep theirs."""
        if isinstance(value, bool | int | float) or value is None:
            return value
        if isinstance(value, Mapping):
            return {str(key): self.field(str(key), inner) for key, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.field(name, inner) for inner in value]
        shown = value.hex() if isinstance(value, bytes) else str(value)
        if _PUBLIC_HEX.search(name) and _HEX32.fullmatch(shown):
            return self._known(shown)
        return self.text(shown)

    def _known(self, text: str) -> str:
        for secret in sorted(self._replacements, key=len, reverse=True):
            text = text.replace(secret, self._replacements[secret])
        return text

    def _remember(self, secret: str) -> None:
        if len(secret) < _SECRET_LENGTH_MIN:
            return
        parts = urlsplit(secret) if "://" in secret else None
        if parts is None:
            self._replacements[secret] = "…"
            if secret.startswith("0x"):
                self._replacements[secret[2:]] = "…"
            return
        if parts.password and len(parts.password) >= _SECRET_LENGTH_MIN:
            self._replacements[parts.password] = "…"
        if parts.query or len(parts.path) >= _SECRET_LENGTH_MIN or parts.password:
            self._replacements[secret] = f"{parts.scheme}://{parts.hostname or ''}/…"


class _Formatter(logging.Formatter):
    """What both forms share: the time, the message, the fields, the redaction."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def _message(self, record: logging.LogRecord) -> str:
        return self._redactor.text(record.getMessage())

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        fields = {
            name: self._redactor.field(name, value) for name, value in vars(record).items() if name not in _STANDARD
        }
        current = request_id.get()
        return fields if current is None else {"request_id": current, **fields}

    def _trace(self, record: logging.LogRecord) -> str:
        if not record.exc_info or record.exc_info[0] is None:
            return ""
        return self._redactor.text(self.formatException(record.exc_info))


class JsonFormatter(_Formatter):
    """One JSON object per line: at, level, logger, message, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        line: dict[str, Any] = {
            "at": _at(record).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._message(record),
            **self._fields(record),
        }
        if trace := self._trace(record):
            line["error"] = trace
        return json.dumps(line, ensure_ascii=False, default=str)


class HumanFormatter(_Formatter):
    """One line for a person; a trace follows on lines of its own, indented."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        fields = " ".join(f"{name}={_plain(value)}" for name, value in self._fields(record).items())
        head = f"{_at(record):%H:%M:%S.%f}"[:-3]
        line = f"{head} {record.levelname.lower():<7} {record.name}: {_one_line(self._message(record))}"
        line = f"{line} {fields}" if fields else line
        trace = self._trace(record)
        return line + "".join(f"\n    {part}" for part in trace.splitlines())


def configure(
    *,
    form: Literal["human", "json"],
    level: Literal["debug", "info", "warning", "error"],
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Send every log record to `stream` (standard error by default) in one form. Calling it again starts over."""
    redactor = Redactor(secrets)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(redactor) if form == "json" else HumanFormatter(redactor))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("arq", "sqlalchemy", "asyncio", "alembic", "web3", "urllib3"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))


def _at(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _one_line(text: str) -> str:
    return _CONTROL.sub(" ", text)


def _plain(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = _one_line(text)
    return json.dumps(text, ensure_ascii=False) if " " in text or not text else text
