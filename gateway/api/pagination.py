"""Lists: which page, which filters, and their answer."""

from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, TypeVar

from msgspec import Meta, Struct, field

from gateway.api.endpoint import Call
from gateway.api.forms import Params
from gateway.db.pages import Created, Page, PageRequest
from gateway.domain.errors import InvalidRequest
from gateway.domain.period import from_unix
from gateway.wire.common import ListOf

LIMIT_DEFAULT: Final = 10
LIMIT_MAX: Final = 100
PAGES_MAX: Final = 100

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
    """What every list takes: newest first, cut by the id of a neighbour, or by numbered pages.

    `page` and `per_page` are for clients that count pages; they then find `meta` in the answer. A cursor is as quick at
    the end of a list as at its beginning, a page is not: there are at most a hundred.
    """

    limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT
    starting_after: Id | None = None
    ending_before: Id | None = None
    created: UnixTime | Range | None = None
    page_number: Annotated[int, Meta(ge=1, le=PAGES_MAX)] | None = field(default=None, name="page")
    per_page: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] | None = None

    def page(self, call: Call) -> PageRequest:
        """Which part of the caller's list to read.

        Raises:
            InvalidRequest: a page by its number and by a neighbour.
        """
        is_numbered = self.page_number is not None or self.per_page is not None
        if is_numbered and (self.starting_after is not None or self.ending_before is not None):
            raise InvalidRequest(
                "Give page and per_page, or starting_after or ending_before, not both.",
                code="parameter_conflict",
                param="page" if self.page_number is not None else "per_page",
            )
        limit = self.limit if self.per_page is None else self.per_page
        return PageRequest(
            scope=call.scope,
            limit=limit,
            number=(self.page_number or 1) if is_numbered else None,
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


class ListMeta(Struct, frozen=True, kw_only=True):
    """Which numbered page it is, and which there are beside it."""

    url: str
    page: int
    per_page: int
    has_more: bool
    prev: int | None
    next: int | None


class NumberedList(ListOf[S], Generic[S], frozen=True, kw_only=True):
    """A list that was asked for by the number of its page."""

    meta: ListMeta


def list_of(entries: list[S], page: Page[T], url: str) -> ListOf[S]:
    """The answer of a list route."""
    if page.number is None:
        return ListOf(data=entries, has_more=page.has_more, url=url)
    meta = ListMeta(
        url=url,
        page=page.number,
        per_page=page.per_page,
        has_more=page.has_more,
        prev=page.number - 1 or None,
        next=page.number + 1 if page.has_more and page.number < PAGES_MAX else None,
    )
    return NumberedList(data=entries, has_more=page.has_more, url=url, meta=meta)
