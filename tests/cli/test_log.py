import io
import json
import logging
from collections.abc import Iterator

import pytest

from gateway import log

KEY = "0x" + "ab" * 32
HASH = "0x" + "12" * 32


@pytest.fixture
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(form: str, *, secrets: tuple[str, ...] = ()) -> io.StringIO:
    stream = io.StringIO()
    log.configure(form=form, level="info", secrets=secrets, stream=stream)  # type: ignore[arg-type]
    return stream


@pytest.mark.usefixtures("restored")
def test_json_is_one_object_a_line_with_the_fields_of_the_record() -> None:
    stream = lines("json")
    logging.getLogger("dues.test").info("charge signed\nsecond line", extra={"charge": "ch_1", "items": 3})
    [line] = stream.getvalue().splitlines()
    record = json.loads(line)
    assert (record["message"], record["charge"], record["items"], record["level"]) == (
        "charge signed\nsecond line",
        "ch_1",
        3,
        "info",
    )


@pytest.mark.usefixtures("restored")
def test_a_message_cannot_forge_a_second_line_for_people() -> None:
    stream = lines("human")
    logging.getLogger("dues.test").warning("first\n12:00:00 info forged", extra={"name_given": "a\nb"})
    assert len(stream.getvalue().splitlines()) == 1


@pytest.mark.usefixtures("restored")
def test_the_request_id_is_on_every_line_of_its_request() -> None:
    stream = lines("json")
    token = log.request_id.set("req_1")
    logging.getLogger("dues.test").info("inside")
    log.request_id.reset(token)
    logging.getLogger("dues.test").info("outside")
    inside, outside = map(json.loads, stream.getvalue().splitlines())
    assert inside["request_id"] == "req_1"
    assert "request_id" not in outside


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("key {}", "sk_" + "test_" + "a1B2c3D4e5F6g7H8i9J0k1L2"),
        ("{}", "rk_" + "live_" + "a1B2c3D4e5F6g7H8i9J0k1L2"),
        ("secret {}", "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("private key {}", KEY),
        ("{}", KEY),
        ("{}", KEY[2:]),
        ("postgresql+asyncpg://dues:{}@db/dues", "hunter2secret"),
        ("https://user:{}@rpc.example/v3/x", "hunter2secret"),
        ("raw {}", "0x02" + "f8" * 120),
    ],
)
@pytest.mark.parametrize("form", ["human", "json"])
@pytest.mark.usefixtures("restored")
def test_what_has_the_form_of_a_secret_never_reaches_a_log(form: str, text: str, secret: str) -> None:
    stream = lines(form)
    leak = text.format(secret)
    logger = logging.getLogger("dues.test")
    logger.info("text %s", leak, extra={"given": leak, "nested": {"inner": [leak]}})
    logger.error("failed", exc_info=ValueError(leak))
    assert secret not in stream.getvalue()


@pytest.mark.parametrize(
    "secret",
    ["correct horse battery", "https://rpc.example/v3/0a1b2c3d4e5f", "redis://:longpassword@cache:6379/0", KEY],
)
@pytest.mark.usefixtures("restored")
def test_the_values_of_this_installation_never_reach_a_log(secret: str) -> None:
    stream = lines("json", secrets=(secret,))
    logging.getLogger("dues.test").info("tried %s", secret, extra={"given_hash": secret, "url": secret})
    assert secret not in stream.getvalue()


@pytest.mark.usefixtures("restored")
def test_hashes_stay_readable_where_they_are_called_so() -> None:
    stream = lines("json")
    logging.getLogger("dues.test").info("sent transaction %s", HASH, extra={"transaction_hash": HASH, "block": HASH})
    record = json.loads(stream.getvalue())
    assert record["message"] == f"sent transaction {HASH}"
    assert record["transaction_hash"] == record["block"] == HASH


def test_short_values_do_not_blank_out_words() -> None:
    assert log.Redactor(["dues", ""]).text("dues api") == "dues api"


@pytest.mark.parametrize("path", ["/i/in_01k2/{}/pdf", "/checkout/cs_01k2/{}"])
def test_the_part_of_an_address_that_nobody_can_guess_is_not_logged(path: str) -> None:
    token = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4"
    assert token not in log.Redactor().text(path.format(token))
