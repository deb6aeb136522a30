"""Lists: which page, which filters, and their answer."""

from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

from msgspec import Meta, Struct

from gateway.api.endpoint import Call
from gateway.api.forms import Params
from gateway.db.pages import Created, Page, PageRequest
from gateway.domain.period import from_unix
from gateway.wire.common import ListOf

LIMIT_DEFAULT: Final = 10
LIMIT_MAX: Final = 100

T = TypeVar("T")
S = TypeVar("S", bound=Struct)

Id = Annotated[str, Meta(min_length=1, max_length=255)]
UnixTime = Annotated[int, Meta(ge=0, le=32_503_680_000)]  # up to the year 3000: no calendar overflows


class Range(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When objects were created, in unix seconds."""

    gt: UnixTime | None = None
    gte: UnixTime | None = None
    lt: UnixTime | None = None
    lte: UnixTime | None = None


class ListParams(Params, frozen=True, kw_only=True):
    """What every list takes: newest first, cut by the id of a neighbour."""

    limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT
    starting_after: Id | None = None
    ending_before: Id | None = None
    created: UnixTime | Range | None = None

    def page(self, call: Call) -> PageRequest:
        """Which part of the caller's list to read."""
        return PageRequest(
            scope=call.scope,
            limit=self.limit,
            starting_after=self.starting_after,
            ending_before=self.ending_before,
            created=_created(self.created),
        )


def _created(value: int | Range | None) -> Created:
    match value:
        case None:
            return Created()
        case Range():
            bounds = {"gt": value.gt, "gte": value.gte, "lt": value.lt, "lte": value.lte}
            return Created(**{name: from_unix(at) for name, at in bounds.items() if at is not None})
        case _:
            # An exact second: ids and rows may carry fractions of it.
            return Created(gte=from_unix(value), lt=from_unix(value + 1))


@dataclass(frozen=True, slots=True)
class Found(Page[T]):
    """What a search found: a page, where the next one begins, and how many there are, if that was asked for."""

    next_page: str | None = None
    total_count: int | None = None


TOTAL_COUNT: Final = "total_count"


class SearchResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer of a search; `total_count` is there when it was expanded."""

    object: str
    data: list[Any]
    has_more: bool
    next_page: str | None
    url: str
    total_count: int | None = None


def found_of(entries: list[Any], found: Found[Any], url: str) -> SearchResult:
    """The answer of a search route."""
    return SearchResult(
        object="search_result",
        data=entries,
        has_more=found.has_more,
        next_page=found.next_page,
        url=url,
        total_count=found.total_count,
    )


def list_of(entries: list[S], page: Page[T], url: str) -> ListOf[S]:
    """The answer of a list route."""
    return ListOf(data=entries, has_more=page.has_more, url=url)
