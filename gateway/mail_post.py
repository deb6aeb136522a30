"""Who carries letters: an SMTP server, or a folder whose files a mail program opens (development, sandbox).

Python's own SMTP client runs in a thread: one connection for a batch, every step with a time limit. What the server
says decides: 5xx to the recipient or the message is for ever, everything else may pass.
"""

import asyncio
import contextlib
import logging
import smtplib
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.config import Config, Smtp
from gateway.services.ports import Letter, Posted, Verdict

BATCH_SECONDS_MAX: Final = 60.0
"""After this no further letter of a batch is begun: a slow server must not outlast the claim (`mails.LEASE`)."""

_ACCEPTED: Final = range(200, 300)
_PERMANENT: Final = range(500, 600)
_OUR_TROUBLE: Final = frozenset({530, 534, 535, 538, 421, 452})
"""Answers about us, not about the letter: authentication, encryption, a server that is full or leaves (RFC 4954)."""

_GREETED_AS: Final = "dues"
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FolderPost:
    """Writes each letter as an `.eml` file. What is there already is written again with the same name."""

    folder: Path

    async def post(self, letters: Sequence[Letter]) -> list[Posted]:
        """See `MailPort.post`."""
        return [self._put(letter) for letter in letters]

    def check(self) -> str:
        """Say where letters go.

        Raises:
            OSError: the folder cannot be written to.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        probe = self.folder / ".probe"
        probe.write_bytes(b"")
        probe.unlink()
        return f"letters are written to {self.folder}"

    def _put(self, letter: Letter) -> Posted:
        unfinished = self.folder / f".{letter.id}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(letter.message)
            unfinished.replace(self.folder / f"{letter.id}.eml")
        except OSError as error:
            return Posted(Verdict.AWAY, f"{self.folder}: {error.strerror}")
        return Posted(Verdict.TAKEN)


@dataclass(frozen=True, slots=True)
class SmtpPost:
    """Hands letters to an SMTP server. A connection lives for one batch."""

    settings: Smtp
    _stopped: threading.Event = field(default_factory=threading.Event)

    async def post(self, letters: Sequence[Letter]) -> list[Posted]:
        """See `MailPort.post`."""
        try:
            return await asyncio.to_thread(self._send, letters)
        except asyncio.CancelledError:
            self._stopped.set()
            raise

    def check(self) -> str:
        """Connect, encrypt and log in, send nothing; say what was found.

        Raises:
            OSError, smtplib.SMTPException: the server is not there, or does not let us in.
        """
        with self._connected() as server:
            code, words = server.noop()
            if code not in _ACCEPTED:
                raise smtplib.SMTPResponseException(code, words)
        way = {"starttls": "STARTTLS", "tls": "TLS", "none": "no encryption"}[self.settings.security]
        user = "" if self.settings.username is None else f", as {self.settings.username}"
        return f"{self.settings.host}:{self.settings.port} answers, {way}{user}"

    def _send(self, letters: Sequence[Letter]) -> list[Posted]:
        until = time.monotonic() + BATCH_SECONDS_MAX
        posted: list[Posted] = []
        try:
            with self._connected() as server:
                for letter in letters:
                    if self._stopped.is_set() or time.monotonic() > until:
                        break
                    posted.append(_handed_over(server, letter))
        except (OSError, smtplib.SMTPException) as error:
            # The letter at which it happened; or the first one, when nobody was there to begin with.
            _log.warning("the mail server cannot be used: %s", said(error), extra={"host": self.settings.host})
            if len(posted) < len(letters):
                posted.append(Posted(Verdict.AWAY, said(error)))
            untaken = Posted(Verdict.AWAY if len(posted) == 1 else Verdict.UNTRIED, said(error))
            return posted + [untaken] * (len(letters) - len(posted))
        return posted + [Posted(Verdict.UNTRIED)] * (len(letters) - len(posted))

    @contextlib.contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        settings = self.settings
        tls = ssl.create_default_context(cafile=None if settings.ca_file is None else str(settings.ca_file))
        with contextlib.ExitStack() as stack:
            server: smtplib.SMTP
            if settings.security == "tls":
                server = smtplib.SMTP_SSL(
                    settings.host, settings.port, _GREETED_AS, timeout=settings.timeout_seconds, context=tls
                )
            else:
                server = smtplib.SMTP(settings.host, settings.port, _GREETED_AS, timeout=settings.timeout_seconds)
            stack.callback(server.close)
            if settings.security == "starttls":
                server.starttls(context=tls)
            if settings.username is not None and settings.password is not None:
                server.login(settings.username, settings.password.reveal())
            yield server
            with contextlib.suppress(smtplib.SMTPException, OSError):
                server.quit()


Carrier = SmtpPost | FolderPost


def _handed_over(server: smtplib.SMTP, letter: Letter) -> Posted:
    """Try one letter.

    Raises:
        OSError, SMTPServerDisconnected: the connection broke; what the server took is not known.
    """
    try:
        server.sendmail(letter.sender, [letter.recipient], letter.message)
    except smtplib.SMTPRecipientsRefused as refused:
        return _judged(*refused.recipients[letter.recipient])
    except (smtplib.SMTPSenderRefused, smtplib.SMTPHeloError) as refused:
        return Posted(Verdict.AWAY, said(refused))  # it is us that the server does not want: the operator's to repair
    except smtplib.SMTPResponseException as refused:
        return _judged(refused.smtp_code, refused.smtp_error)
    except smtplib.SMTPNotSupportedError as error:
        return Posted(Verdict.REFUSED, str(error))
    return Posted(Verdict.TAKEN)


def _judged(code: int, words: bytes | str) -> Posted:
    text = f"{code} {words.decode('utf-8', 'replace') if isinstance(words, bytes) else words}"
    for_ever = code in _PERMANENT and code not in _OUR_TROUBLE
    return Posted(Verdict.REFUSED if for_ever else Verdict.AWAY, text)


def said(error: Exception) -> str:
    """What went wrong, without anything that was sent."""
    if isinstance(error, smtplib.SMTPResponseException):
        words = error.smtp_error
        return f"{error.smtp_code} {words.decode('utf-8', 'replace') if isinstance(words, bytes) else words}"
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__}: {error.strerror}"
    return f"{type(error).__name__}: {error}"


def of(config: Config) -> Carrier | None:
    """Who carries the letters of this installation; None = nobody, mail is off."""
    if config.mail is None:
        return None
    if config.mail.folder is not None:
        return FolderPost(config.mail.folder)
    return None if config.smtp is None else SmtpPost(config.smtp)
