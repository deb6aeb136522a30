"""What a route is made of, and how resources declare theirs: two decorators, `reads` and `writes`.

A resource's function says only what is particular to it: it takes a `Call` and decoded parameters, and returns domain
values. Authentication, decoding, transactions, idempotency, expansion and encoding are `gateway.api.serving`'s.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableSet, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

import msgspec

from chain.port import ChainPort
from gateway.api import permissions
from gateway.api.auth import Caller
from gateway.api.forms import Params
from gateway.api.key_uses import KeyUses
from gateway.api.rate_limits import Limiter
from gateway.db.engine import Connection
from gateway.domain.catalog import Scope
from gateway.domain.permission import Level, Resource
from gateway.services.acts import Actor
from gateway.services.gateway import Gateway
from gateway.services.ports import Doorbell
from gateway.services.recording import Origin
from gateway.services.test_clocks import LocalChainPort
from gateway.wire import render

P = TypeVar("P", bound=Params)

Shape = Callable[[Any, Any], msgspec.Struct]
ID_PATH: Final = "{id:str}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """What the application was made with; `in_flight` holds the idempotency keys that are being served now."""

    gateway: Gateway
    chains: Mapping[int, ChainPort]
    clock: Callable[[], datetime]
    pepper: bytes
    local_chains: Mapping[int, LocalChainPort] = field(default_factory=dict)
    wake: Doorbell | None = None
    allow_private_webhooks: bool = False
    in_flight: MutableSet[tuple[Scope, str]] = field(default_factory=set)
    uses: KeyUses = field(default_factory=KeyUses)
    limiter: Limiter | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request on its way through a transaction.

    Attributes:
        now: the system's time, not that of a test clock.
        prepared: what the endpoint's `before` found out.
    """

    api: Api
    conn: Connection
    caller: Caller
    path: Mapping[str, str]
    now: datetime
    request_id: str
    prepared: Any = None

    @property
    def gateway(self) -> Gateway:
        """Books, chains and tokens."""
        return self.api.gateway

    @property
    def scope(self) -> Scope:
        """Whose objects may be seen."""
        return self.caller.scope

    @property
    def id(self) -> str:
        """The object that the URL names."""
        return self.path["id"]

    @property
    def actor(self) -> Actor:
        """Who did it, for the audit log."""
        return Actor(id=self.caller.key_id, request_id=self.request_id)

    @property
    def origin(self) -> Origin:
        """Where changes come from."""
        return Origin(self.now, self.request_id)


class Retrieve(Params, frozen=True, kw_only=True):
    """A request that says nothing but what to expand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint(Generic[P]):
    """One route.

    Attributes:
        kind: `object` of what it answers with; expansions start from it, a missing id is called so, and it decides
            which permission a restricted key needs.
        answer: shape of the answer, or of an entry of the list it answers with.
        before: what has to be asked of the outside world before the transaction; it sees a reading `Call`.
        rings: roles that may have something to do when it has committed.
        is_search: it answers with `Found`, a `search_result`.
        public: a publishable key opens it too, with the client secret of its object (`gateway.api.client_secrets`).
    """

    methods: tuple[str, ...]
    path: str
    kind: str
    params: type[P]
    answer: type[msgspec.Struct]
    run: Callable[[Call, P], Awaitable[Any]]
    is_list: bool = False
    writes: bool = False
    shape: Shape = render.render
    before: Callable[[Call, P], Awaitable[Any]] | None = None
    rings: Sequence[str] = ()
    public: bool = False
    is_search: bool = False

    @property
    def resource(self) -> Resource:
        """What a restricted key needs a permission for."""
        return permissions.OF_KIND[self.kind]

    @property
    def level(self) -> Level:
        """How much of it."""
        return Level.WRITE if self.writes else Level.READ

    @property
    def summary(self) -> str:
        """First line of what the function says of itself."""
        return (self.run.__doc__ or "").strip().partition("\n")[0].rstrip(".")

    @property
    def operation_id(self) -> str:
        """Unique among all endpoints: `post_subscriptions_id_cancel`."""
        words = [part.strip("{}").partition(":")[0] for part in self.path.split("/") if part not in {"", "v1"}]
        return "_".join([self.methods[0].lower(), *words])


def reads(
    path: str,
    *,
    kind: str,
    params: type[P],
    answer: type[msgspec.Struct],
    is_list: bool = False,
    shape: Shape = render.render,
) -> Callable[[Callable[[Call, P], Awaitable[Any]]], Endpoint[P]]:
    """Declare a GET: parameters come from the query, everything happens in one reading transaction."""

    def declare(run: Callable[[Call, P], Awaitable[Any]]) -> Endpoint[P]:
        return Endpoint(
            methods=("GET", "HEAD"),
            path=path,
            kind=kind,
            params=params,
            answer=answer,
            run=run,
            is_list=is_list,
            shape=shape,
        )

    return declare


def writes(
    path: str,
    *,
    kind: str,
    params: type[P],
    answer: type[msgspec.Struct],
    methods: tuple[str, ...] = ("POST",),
    shape: Shape = render.render,
    before: Callable[[Call, P], Awaitable[Any]] | None = None,
    rings: Sequence[str] = (),
) -> Callable[[Callable[[Call, P], Awaitable[Any]]], Endpoint[P]]:
    """Declare a POST (and PATCH) or DELETE: everything happens in one writing transaction, at most once per key."""

    def declare(run: Callable[[Call, P], Awaitable[Any]]) -> Endpoint[P]:
        return Endpoint(
            methods=methods,
            path=path,
            kind=kind,
            params=params,
            answer=answer,
            run=run,
            writes=True,
            shape=shape,
            before=before,
            rings=rings,
        )

    return declare


UPDATE: Final = ("POST", "PATCH")
DELETE: Final = ("DELETE",)
