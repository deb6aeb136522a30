"""Settings of mail: off by default, and refused where they would send nothing, or a password in the clear."""

from pathlib import Path

import msgspec
import pytest

from gateway import mail_post
from gateway.composition import gateway_of
from gateway.config import ConfigInvalid, Mail, Secret, Smtp, load
from gateway.mail_post import FolderPost, SmtpPost
from gateway.startup import problems_of_settings
from tests.cli.test_config import MINIMAL
from tests.cli.test_startup import LIVE, but

SENDER = {"DUES_MAIL__SENDER": "billing@dues.example"}
SERVER = SENDER | {"DUES_SMTP__HOST": "smtp.example"}
LOGIN = {"DUES_SMTP__USERNAME": "dues", "DUES_SMTP__PASSWORD": "a secret that nobody says"}


def test_mail_is_off_until_it_is_configured() -> None:
    config = load(None, MINIMAL)
    assert (config.mail, config.smtp) == (None, None)
    assert mail_post.of(config) is None
    assert gateway_of(config).mail is None


def test_a_server_with_a_login_comes_from_the_environment() -> None:
    config = load(None, MINIMAL | SERVER | LOGIN | {"DUES_SMTP__PORT": "465", "DUES_SMTP__SECURITY": "tls"})
    post = mail_post.of(config)
    assert isinstance(post, SmtpPost)
    assert (post.settings.port, post.settings.security) == (465, "tls")
    assert "a secret that nobody says" not in repr(config)
    assert "a secret that nobody says" in list(config.secrets())
    policy = gateway_of(config).mail
    assert policy is not None
    assert (policy.sender, policy.in_test_mode) == ("billing@dues.example", False)


def test_the_password_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("from a file\n")
    environ = MINIMAL | SERVER | {"DUES_SMTP__USERNAME": "dues", "DUES_SMTP__PASSWORD_FILE": str(tmp_path / "password")}
    config = load(None, environ)
    assert config.smtp is not None
    assert config.smtp.password == Secret("from a file")


def test_a_folder_is_found_beside_the_settings_and_gets_test_mode_too(tmp_path: Path) -> None:
    path = tmp_path / "dues.toml"
    lines = [f'{name.removeprefix("DUES_").lower()} = "{value}"' for name, value in MINIMAL.items()]
    path.write_text("\n".join([*lines, "[mail]", 'sender = "a@b.example"', 'folder = "outbox"']))
    config = load(path, {})
    assert mail_post.of(config) == FolderPost(tmp_path / "outbox")
    policy = gateway_of(config).mail
    assert policy is not None
    assert policy.in_test_mode


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        (SENDER, "give either [smtp] or mail.folder"),
        (SERVER | {"DUES_MAIL__FOLDER": "x"}, "give either [smtp] or mail.folder"),
        ({"DUES_SMTP__HOST": "smtp.example"}, "smtp: means nothing without [mail]"),
        (SERVER | {"DUES_MAIL__SENDER": "billing"}, "mail.sender"),
        (SERVER | {"DUES_MAIL__SENDER": "a@b.example\r\nBcc: c@d.example"}, "mail.sender"),
        (SERVER | {"DUES_SMTP__USERNAME": "dues"}, "give username and password"),
        (SERVER | {"DUES_SMTP__PASSWORD": "x"}, "give username and password"),
        (SERVER | LOGIN | {"DUES_SMTP__SECURITY": "none"}, "smtp.security"),
        (SERVER | {"DUES_SMTP__SECURITY": "ssl"}, "smtp.security"),
        (SERVER | {"DUES_SMTP__TIMEOUT_SECONDS": "60"}, "smtp.timeout_seconds"),
        (SERVER | {"DUES_SMTP__HOSTNAME": "x"}, "smtp"),
    ],
    ids=str,
)
def test_settings_that_would_send_nothing_or_a_password_in_the_clear_are_refused(
    environ: dict[str, str], named: str
) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        load(None, MINIMAL | environ)
    assert named in str(refused.value)


@pytest.mark.parametrize(
    ("mail", "smtp", "named"),
    [
        (Mail(sender="a@b.example", folder=Path("x")), None, "mail.folder"),
        (Mail(sender="a@b.example"), Smtp(host="smtp.example", security="none"), "smtp.security"),
        (Mail(sender="a@b.example"), Smtp(host="s", username="u", password=Secret("password")), "smtp.password"),
    ],
)
def test_live_mode_refuses_mail_that_nobody_gets_or_that_anybody_reads(
    mail: Mail, smtp: Smtp | None, named: str
) -> None:
    [problem] = problems_of_settings(but(mail=mail, smtp=smtp))
    assert named in problem


def test_live_mode_takes_a_server_on_this_machine() -> None:
    config = msgspec.structs.replace(
        LIVE, mail=Mail(sender="a@b.example"), smtp=Smtp(host="localhost", security="none")
    )
    assert problems_of_settings(config) == []
