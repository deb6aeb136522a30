"""S6: the canaries sing: a secret that were logged or repeated in an error would be found."""

import logging

import pytest

from gateway.domain.api_key import KeyKind, form_key
from tests.api.desk import Desk
from tests.fixtures.canaries import CANARIES, secrets_in

SIGNING = "whsec_" + "aGVsbG8gd29ybGQhIGhlbGxv"
KEY = form_key(KeyKind.SECRET, livemode=False, entropy=b"\x05" * 32)


@pytest.mark.parametrize(
    "text",
    [
        f"Bearer {KEY}",
        SIGNING,
        "ci_01abc_secret_AbCdEfGhIjKlMnOp",
        "a pepper of the tests, 32 bytes..",
    ],
)
def test_S6_what_has_the_form_of_a_secret_is_found(text: str) -> None:
    assert secrets_in(f"something {text} happened") != []


def test_S6_what_only_looks_like_one_is_not() -> None:
    assert secrets_in("sk_test_****abcd ci_01abc whsec_… sk_test_" + "x" * 36) == []


def test_S6_what_the_log_does_not_take_out_by_itself_is_a_hit() -> None:
    logging.getLogger("gateway.api").info("hashing", extra={"pepper": "a pepper of the tests, 32 bytes.."})
    assert len(CANARIES.hits) == 1
    CANARIES.hits.clear()


def test_S6_the_log_takes_out_keys_signing_secrets_and_client_secrets_by_itself() -> None:
    logger = logging.getLogger("gateway.api")
    logger.info("%s and %s", KEY, SIGNING, extra={"of": "ci_01abc_secret_AbCdEfGhIjKlMnOp"})
    assert CANARIES.hits == []


async def test_S6_errors_and_requests_are_read(small_desk: Desk) -> None:
    lines, errors = CANARIES.lines, CANARIES.errors
    assert (await small_desk.get("/v1/customers", key=KEY)).status_code == 401
    assert CANARIES.lines > lines
    assert CANARIES.errors == errors + 1
