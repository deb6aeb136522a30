"""S1: every operation of the OpenAPI document and everybody who must not: nothing is seen, nothing is changed.

The requests are made from the document (`tests.api.matrix`), so that a route that is added is tried as well. For every
place in which the id of an object may stand, a stranger names an object that exists and one that never did: the answers
have to be the same byte for byte, apart from the id.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

import httpx
import pytest
from sqlalchemy import select

from gateway.db import schema
from gateway.db.engine import Books
from gateway.domain.api_key import KeyKind, form_key
from gateway.domain.catalog import Scope
from gateway.domain.permission import Level, Resource
from tests import factories as f
from tests.api import estate, matrix
from tests.api.desk import OTHER, Desk
from tests.api.estate import Estate
from tests.api.matrix import Ask, Operation, Place

OPERATIONS: Final = matrix.operations()

NOT_REACHED: Final = {
    ("post /v1/setup_intents", "payment_method"): "the subscription has an open setup intent, which is said first",
    ("post /v1/setup_intents/{id}/confirm", "payment_method"): "the signature is looked at first",
    ("post /v1/invoices/{id}/pay", "payment_method"): "the invoice is a draft, which is said first",
}
"""Places where another refusal comes before the look at the object: it must be the same refusal all the same."""


@dataclass(frozen=True, slots=True)
class Town:
    """One merchant who owns something, and strangers who own as much: another account, and the live mode of its own."""

    desk: Desk
    owner: Estate
    strangers: tuple[Estate, ...]

    async def of_owner(self) -> str:
        """What the books hold of the owner, in one word."""
        found = sha256()
        async with self.desk.house.gateway.books.read() as conn:
            for table in schema.metadata.sorted_tables:
                if table in (schema.api_keys, schema.acts):  # the tests make keys, and each use of one is noted
                    continue
                query = select(table)
                if "account_id" in table.c:
                    query = query.where(table.c.account_id == self.owner.scope.account_id)
                rows = [tuple(row) for row in await conn.execute(query)]
                own = [
                    row for row in rows if "livemode" not in table.c or row[table.c.keys().index("livemode")] is False
                ]
                found.update(repr((table.name, sorted(map(repr, own)))).encode() if "account_id" in table.c else b"")
        return found.hexdigest()


@pytest.fixture
async def town(sqlite_books: Books) -> AsyncIterator[Town]:
    async with Desk.opened(sqlite_books) as desk:
        owner = await estate.build(desk, f.SCOPE, desk.key, 101)
        other = await estate.build(desk, Scope(OTHER, livemode=False), desk.other_key, 102)
        live = await estate.build(desk, Scope(f.ACCOUNT_ID, livemode=True), desk.live_key, 103)
        yield Town(desk, owner, (other, live))


def _told(answer: httpx.Response, named: str) -> tuple[int, str]:
    return answer.status_code, answer.text.replace(named, "·")


def _is_missing(answer: httpx.Response) -> bool:
    """It says that there is no such object, or lists none."""
    if answer.status_code == 200:
        return answer.json().get("data") == []
    return bool(answer.json()["error"]["code"] == "resource_missing")


def _never(kind: str, object_id: str) -> str:
    """An id that nobody has, of the form of one that somebody has."""
    return f"{object_id[:-4]}zzzz" if kind != "coupon" else "never-was-any"


def _leaked(answer: httpx.Response, owner: Estate, named: Sequence[str] = ()) -> list[str]:
    """What of the owner's stands in a stranger's answer, besides what the stranger named."""
    return [text for text in (owner.mark, *owner.ids.values()) if text in answer.text and text not in named]


async def test_S1_without_a_secret_key_every_operation_says_the_same_whatever_it_names(town: Town) -> None:
    """Nobody, somebody with a key that was made up, and a browser with a publishable key."""
    desk, owner = town.desk, town.owner
    unknown = form_key(KeyKind.SECRET, livemode=False, entropy=b"\x05" * 32)
    public = await desk.minted(kind=KeyKind.PUBLISHABLE)
    before = await town.of_owner()
    for key, status in ((None, 401), (unknown, 401), (public, 403)):
        told = set()
        for operation in OPERATIONS:
            ask = operation.request(owner.ids)
            if key == public and operation.is_public:
                await _is_closed(desk, ask, public)
                continue
            answer = await ask.send(desk, key)
            assert answer.status_code == status, (operation.name, answer.text)
            told.add(answer.text)
        assert len(told) == 1, told
    assert await town.of_owner() == before


async def _is_closed(desk: Desk, ask: Ask, public: str) -> None:
    """A browser has to know the client secret: with another one the object is not there."""
    named = ask.path["id"]
    gone = ask.naming(("{id}",), _never("", named))
    for given in ({}, {"client_secret": "a guess"}):
        answer = await replace(ask, params={**ask.params, **given}).send(desk, public)
        other = await replace(gone, params={**gone.params, **given}).send(desk, public)
        assert answer.status_code == 404, (ask.operation.name, answer.text)
        assert _told(answer, named) == _told(other, gone.path["id"])


@pytest.mark.parametrize("which", [0, 1], ids=["another account", "the other mode"])
async def test_S1_what_belongs_to_somebody_else_answers_as_what_never_was(
    town: Town, which: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """In each place of each operation, path, query and body, and the owner's rows stay as they are."""
    desk, owner, stranger = town.desk, town.owner, town.strangers[which]
    before, asked = await town.of_owner(), 0
    leaks: dict[tuple[str, str], str] = {}
    unreached: dict[tuple[str, str], str] = {}
    for operation in OPERATIONS:
        for place, kind in operation.places:
            named, gone = owner.ids[kind], _never(kind, owner.ids[kind])
            ask = operation.request(stranger.ids)
            answer = await ask.naming(place, named).send(desk, stranger.key)
            other = await ask.naming(place, gone).send(desk, stranger.key)
            asked += 2
            where = operation.name, ".".join(place)
            if _told(answer, named) != _told(other, gone) or _leaked(answer, owner, [named]):
                leaks[where] = answer.text
            elif not _is_missing(answer) and where not in NOT_REACHED:
                unreached[where] = answer.text
    assert (leaks, unreached) == ({}, {})
    assert await town.of_owner() == before
    with capsys.disabled():
        print(f"\nS1: {len(OPERATIONS)} operations, {asked} requests of a stranger, 0 leaks")


async def test_S1_a_restricted_key_opens_what_its_permissions_say_and_nothing_else(town: Town) -> None:
    """For each operation: a key that may do everything else is told what it lacks; with that, it is let in."""
    desk, owner = town.desk, town.owner
    before, keys = await town.of_owner(), {}
    for operation in OPERATIONS:
        resource, _, level = operation.permission.partition(":")
        if operation.permission not in keys:
            enough: dict[Resource, Level] = {Resource(resource): Level(level)}
            less = {one: Level.WRITE for one in Resource if one != resource}
            less |= {Resource(resource): Level.READ} if level == "write" else {}
            keys[operation.permission] = [
                await desk.minted(kind=KeyKind.RESTRICTED, permissions=given) for given in (less, enough)
            ]
        lacking, sufficient = keys[operation.permission]
        ask = operation.request(owner.ids)
        refused = await ask.send(desk, lacking)
        assert refused.status_code == 403, operation.name
        assert f"Having the '{operation.permission}' permission" in refused.json()["error"]["message"]
        assert _leaked(refused, owner, list(ask.path.values())) == []
        if operation.is_read:
            assert (await ask.send(desk, sufficient)).status_code == 200, operation.name
    assert await town.of_owner() == before


async def test_S1_what_a_stranger_lists_makes_or_changes_of_its_own_says_nothing_of_others(town: Town) -> None:
    desk, owner = town.desk, town.owner
    before = await town.of_owner()
    for stranger, tried in zip(town.strangers, (OPERATIONS, [one for one in OPERATIONS if one.is_read]), strict=True):
        for operation in sorted(tried, key=_destructive):
            answer = await operation.request(stranger.ids).send(desk, stranger.key)
            assert answer.status_code < 500, (operation.name, answer.text)
            assert _leaked(answer, owner) == [], operation.name
    assert await town.of_owner() == before


async def test_S1_the_owner_sees_what_strangers_do_not(town: Town) -> None:
    """The matrix would be green as well if its requests were wrong: with the owner's key they find their objects."""
    for operation in OPERATIONS:
        if operation.is_read:
            answer = await operation.request(town.owner.ids).send(town.desk, town.owner.key)
            assert answer.status_code == 200, (operation.name, answer.text)


def _destructive(operation: Operation) -> tuple[bool, bool]:
    return operation.method == "delete", not operation.is_read


def test_every_text_that_names_an_object_is_tried() -> None:
    """Nobody adds a field that takes an id without the matrix seeing it."""
    tried = {place for operation in OPERATIONS for place, _ in operation.places}
    expected: set[Place] = {("customer",), ("items", "0", "price"), ("starting_after",), ("default_payment_method",)}
    assert expected <= tried
    assert sum(len(operation.places) for operation in OPERATIONS) > 200
