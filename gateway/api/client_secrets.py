"""What a browser may do: with a publishable key and an intent's client secret, see and confirm that intent (ST-11)."""

import hmac
from typing import Annotated

from msgspec import Meta

from gateway.api.auth import Caller
from gateway.api.endpoint import Call
from gateway.api.forms import Params
from gateway.domain.errors import InvalidRequest, NotFound

ClientSecret = Annotated[str, Meta(min_length=1, max_length=255)]


class RetrieveIntent(Params, frozen=True, kw_only=True):
    """Which intent; with a publishable key, its client secret."""

    client_secret: ClientSecret | None = None


def opened(call: Call, kind: str, client_secret: str, given: str | None) -> None:
    """Let a publishable key pass with the right secret only; a secret key needs none.

    Raises:
        NotFound: it is not, or not the right one; this looks as if there were no such intent.
    """
    if call.caller.is_public and not hmac.compare_digest(client_secret.encode(), (given or "").encode()):
        raise NotFound(kind, call.id)


def refuse_expansion(caller: Caller, params: Params) -> None:
    """A client secret opens one object, and nothing that it names.

    Raises:
        InvalidRequest: something else was asked for as well.
    """
    if caller.is_public and params.expand:
        raise InvalidRequest(
            "A publishable key cannot expand. Ask for it with a secret key.",
            code="expand_not_allowed",
            param="expand",
        )
