"""Letters over real SMTP: what a server says decides what becomes of them; nothing is sent in the clear by mistake."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from gateway import mail_post
from gateway.config import Secret, Smtp
from gateway.domain.settings import MailKind
from gateway.letters.mail import compose
from gateway.mail_post import FolderPost, SmtpPost
from gateway.services.ports import Letter, Posted, Verdict
from tests import factories as f
from tests.letters.letters import SENDER, facts

PASSWORD = "a very secret password"


class Server:
    """A mail server that keeps what it takes, and answers as it is told."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []
        self.encrypted: list[bool] = []
        self.on_recipient: dict[str, str] = {}
        self.on_data: Callable[[int], str] = lambda _: "250 OK"
        self.logins: list[tuple[bytes, bytes]] = []

    async def handle_RCPT(
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        answer = self.on_recipient.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        self.encrypted.append(session.ssl is not None)
        return answer

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        answer = self.on_data(len(self.taken))
        if answer.startswith("250"):
            self.taken.append(envelope)
        return answer

    def authenticate(self, _server: SMTP, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who vouches for the server."""
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """The server's side of TLS, for localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@asynccontextmanager
async def running(server: Server, *, encrypted: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator[int]:
    """Let `server` answer on a port of its own; `encrypted` from the first byte."""
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(
        lambda: SMTP(server, hostname="localhost", loop=loop, **options), "localhost", 0, ssl=encrypted
    )
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        await listening.wait_closed()


@pytest.fixture
async def plain() -> AsyncIterator[tuple[Server, SmtpPost]]:
    """A server without encryption on this machine."""
    server = Server()
    async with running(server) as port:
        yield server, SmtpPost(smtp(port, security="none"))


@pytest.fixture
async def safe(tls: ssl.SSLContext, ca_file: Path) -> AsyncIterator[tuple[Server, Smtp]]:
    """A server that wants STARTTLS and a login."""
    server = Server()
    async with running(
        server,
        tls_context=tls,
        require_starttls=True,
        auth_required=True,
        auth_require_tls=True,
        authenticator=server.authenticate,
    ) as port:
        yield server, smtp(port, ca_file=ca_file, username="dues", password=Secret(PASSWORD))


def smtp(port: int, **changes: Any) -> Smtp:
    return Smtp(host="localhost", port=port, **{"timeout_seconds": 3, **changes})


def letter(number: int = 1, *, recipient: str | None = None, name: str = "Grace") -> Letter:
    to = recipient or f"grace{number}@example.com"
    message = compose(facts(MailKind.RECEIPT), sender=SENDER, recipient=to, name=name, now=f.NOW)
    return Letter(id=f"mail_{number}", sender=SENDER, recipient=to, message=message)


def verdicts(posted: list[Posted]) -> list[Verdict]:
    return [each.verdict for each in posted]


async def test_letters_arrive_as_they_were_written(plain: tuple[Server, SmtpPost]) -> None:
    server, post = plain
    letters = [letter(1), letter(2, name="Zoë Ångström\r\nBcc: eve@example.com")]
    assert verdicts(await post.post(letters)) == [Verdict.TAKEN, Verdict.TAKEN]
    assert [envelope.rcpt_tos for envelope in server.taken] == [[each.recipient] for each in letters]
    assert {envelope.mail_from for envelope in server.taken} == {SENDER}
    for sent, envelope in zip(letters, server.taken, strict=True):
        assert isinstance(envelope.content, bytes)
        assert envelope.content == sent.message
        assert message_from_bytes(envelope.content, policy=default)["Bcc"] is None


async def test_strangers_words_never_become_a_second_mail(plain: tuple[Server, SmtpPost]) -> None:
    server, post = plain
    ends = ["\r\n.\r\n", "\n.\n", "\r.\r", "\n.\r\n", "\r\n.\n", "\r\n.\r", "\x00\r\n.\r\n"]
    for end in ends:
        evil = f"Eve{end}MAIL FROM:<eve@example.com>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\nHi{end}"
        await post.post([letter(name=evil)])
    assert len(server.taken) == len(ends)
    assert {tuple(envelope.rcpt_tos) for envelope in server.taken} == {("grace1@example.com",)}


async def test_a_refused_recipient_is_refused_for_ever_and_the_others_get_theirs(
    plain: tuple[Server, SmtpPost],
) -> None:
    server, post = plain
    server.on_recipient = {"grace1@example.com": "550 no such user", "grace2@example.com": "450 mailbox busy"}
    posted = await post.post([letter(1), letter(2), letter(3)])
    assert posted == [
        Posted(Verdict.REFUSED, "550 no such user"),
        Posted(Verdict.AWAY, "450 mailbox busy"),
        Posted(Verdict.TAKEN),
    ]


async def test_a_message_that_is_refused_is_refused_alone(plain: tuple[Server, SmtpPost]) -> None:
    server, post = plain
    server.on_data = lambda count: "554 looks like spam" if count == 1 else "250 OK"
    assert verdicts(await post.post([letter(1), letter(2)])) == [Verdict.TAKEN, Verdict.REFUSED]


async def test_a_server_that_leaves_in_between_loses_nothing(plain: tuple[Server, SmtpPost]) -> None:
    server, post = plain
    server.on_data = lambda count: "421 going down" if count == 1 else "250 OK"
    posted = verdicts(await post.post([letter(1), letter(2), letter(3)]))
    assert posted[:2] == [Verdict.TAKEN, Verdict.AWAY]
    assert posted[2] in {Verdict.UNTRIED, Verdict.AWAY}
    assert len(server.taken) == 1


async def test_nobody_listening_delays_every_letter() -> None:
    post = SmtpPost(Smtp(host="localhost", port=1, security="none", timeout_seconds=1))
    posted = await post.post([letter(1), letter(2)])
    assert verdicts(posted) == [Verdict.AWAY, Verdict.AWAY]
    assert "refused" in posted[0].words


async def test_a_server_that_says_nothing_costs_its_time_limit_and_no_more() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()

    listening = await asyncio.start_server(silent, "localhost", 0)
    port = listening.sockets[0].getsockname()[1]
    began = time.monotonic()
    posted = await SmtpPost(Smtp(host="localhost", port=port, security="none", timeout_seconds=1)).post([letter()])
    assert verdicts(posted) == [Verdict.AWAY]
    assert time.monotonic() - began < 10
    listening.close()
    await listening.wait_closed()


async def test_a_slow_server_gets_no_more_letters_than_the_claim_lasts(
    plain: tuple[Server, SmtpPost], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, post = plain
    monkeypatch.setattr(mail_post, "BATCH_SECONDS_MAX", -1)
    assert verdicts(await post.post([letter(1), letter(2)])) == [Verdict.UNTRIED, Verdict.UNTRIED]


async def test_starttls_encrypts_before_the_login_and_the_letter(safe: tuple[Server, Smtp]) -> None:
    server, settings = safe
    assert verdicts(await SmtpPost(settings).post([letter()])) == [Verdict.TAKEN]
    assert server.logins == [(b"dues", PASSWORD.encode())]
    assert server.encrypted == [True]


async def test_a_certificate_that_nobody_vouches_for_gets_no_password(safe: tuple[Server, Smtp]) -> None:
    server, settings = safe
    stranger = Smtp(host="localhost", port=settings.port, username="dues", password=Secret(PASSWORD), timeout_seconds=3)
    [posted] = await SmtpPost(stranger).post([letter()])
    assert posted.verdict is Verdict.AWAY
    assert "CERTIFICATE_VERIFY_FAILED" in posted.words
    assert server.logins == []


async def test_a_server_without_encryption_gets_no_password(plain: tuple[Server, SmtpPost]) -> None:
    server, post = plain
    wants = Smtp(host="localhost", port=post.settings.port, username="dues", password=Secret(PASSWORD))
    [posted] = await SmtpPost(wants).post([letter()])
    assert posted.verdict is Verdict.AWAY
    assert "STARTTLS" in posted.words
    assert server.taken == []


async def test_a_wrong_password_is_ours_to_repair_and_is_said_nowhere(
    safe: tuple[Server, Smtp], caplog: pytest.LogCaptureFixture
) -> None:
    _, settings = safe
    wrong = "another very secret password"
    refused = Smtp(
        host="localhost",
        port=settings.port,
        username="dues",
        password=Secret(wrong),
        ca_file=settings.ca_file,
        timeout_seconds=3,
    )
    posted = await SmtpPost(refused).post([letter(1), letter(2)])
    assert verdicts(posted) == [Verdict.AWAY, Verdict.AWAY]
    assert posted[0].words.startswith("535")
    assert wrong not in caplog.text + repr(posted) + repr(refused)


async def test_tls_from_the_first_byte(tls: ssl.SSLContext, ca_file: Path) -> None:
    server = Server()
    async with running(server, encrypted=tls) as port:
        post = SmtpPost(smtp(port, security="tls", ca_file=ca_file))
        assert verdicts(await post.post([letter()])) == [Verdict.TAKEN]
        assert await asyncio.to_thread(post.check) == f"localhost:{port} answers, TLS"
    assert len(server.taken) == 1


async def test_the_doctor_logs_in_and_sends_nothing(safe: tuple[Server, Smtp]) -> None:
    server, settings = safe
    found = await asyncio.to_thread(SmtpPost(settings).check)
    assert found == f"localhost:{settings.port} answers, STARTTLS, as dues"
    assert server.taken == []
    with pytest.raises(OSError, match=r"refused"):
        SmtpPost(Smtp(host="localhost", port=1, timeout_seconds=1)).check()


async def test_a_folder_takes_letters_as_files_that_mail_programs_open(tmp_path: Path) -> None:
    post = FolderPost(tmp_path / "outbox")
    assert verdicts(await post.post([letter(1), letter(2)])) == [Verdict.TAKEN, Verdict.TAKEN]
    assert verdicts(await post.post([letter(1)])) == [Verdict.TAKEN]
    files = sorted((tmp_path / "outbox").iterdir())
    assert [path.name for path in files] == ["mail_1.eml", "mail_2.eml"]
    read = message_from_bytes(files[0].read_bytes(), policy=default)
    assert read["To"] == "Grace <grace1@example.com>"
    assert str(tmp_path / "outbox") in post.check()


async def test_a_folder_that_cannot_be_written_delays(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("a file")
    post = FolderPost(tmp_path / "outbox")
    assert verdicts(await post.post([letter()])) == [Verdict.AWAY]
    with pytest.raises(OSError, match=r"exists"):
        post.check()
