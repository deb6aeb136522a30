"""`/v1/pricing_tables`: prices that a merchant's pages may start checkouts for."""

import re
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, UnsetType

from gateway.api.checkout import LOCALES, Url
from gateway.api.endpoint import UPDATE, Call, Endpoint, Retrieve, reads, writes
from gateway.api.fields import Id, Metadata, given, known, metadata
from gateway.api.forms import Params
from gateway.api.pagination import ListParams
from gateway.api.urls import merchant_url
from gateway.db import pricing_tables
from gateway.db.pages import Page
from gateway.domain import metadata as merchant_metadata
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.ids import new_id
from gateway.domain.pricing_table import HIDDEN_FIELDS_MAX, KIND, PricingTable
from gateway.services import pricing_tables as services
from gateway.services.pricing_tables import PricingTableFields
from gateway.wire.pricing_table import PricingTableObject

_HIDDEN: Final = re.compile(r"[a-z0-9_-]{1,40}")
"""Lower case: pages write them as names of HTML attributes."""

_RINGS: Final = ("webhooks",)

TrialDays = Annotated[int, Meta(ge=1, le=730)]


class CreatePricingTable(Params, frozen=True, kw_only=True):
    """What is sold, on which terms, and where the payer goes afterwards."""

    prices: list[Id]
    success_url: Url
    cancel_url: Url | None = None
    active: bool = True
    allow_promotion_codes: bool = False
    trial_period_days: TrialDays | None = None
    hidden_fields: list[str] | None = None
    locale: str | None = None
    metadata: Metadata = None


class UpdatePricingTable(Params, frozen=True, kw_only=True):
    """What to change; an empty value clears a field."""

    prices: list[Id] | UnsetType = UNSET
    success_url: Url | UnsetType = UNSET
    cancel_url: Url | UnsetType | None = UNSET
    active: bool | UnsetType = UNSET
    allow_promotion_codes: bool | UnsetType = UNSET
    trial_period_days: TrialDays | UnsetType | None = UNSET
    hidden_fields: list[str] | UnsetType = UNSET
    locale: str | UnsetType | None = UNSET
    metadata: Metadata | UnsetType = UNSET


class ListPricingTables(ListParams, frozen=True, kw_only=True):
    """Which pricing tables."""

    active: bool | None = None


def _check(call: Call, body: CreatePricingTable | UpdatePricingTable) -> None:
    for name in ("success_url", "cancel_url"):
        url = getattr(body, name)
        if isinstance(url, str):
            merchant_url(url, name, livemode=call.scope.livemode)
    if isinstance(body.locale, str) and not LOCALES.fullmatch(body.locale):
        raise InvalidRequest(
            "locale is auto, or a language such as en or de.", code="parameter_invalid", param="locale"
        )
    keys = body.hidden_fields if isinstance(body.hidden_fields, list) else []
    if len(keys) > HIDDEN_FIELDS_MAX or len(set(keys)) != len(keys):
        raise InvalidRequest(
            f"hidden_fields takes at most {HIDDEN_FIELDS_MAX} different keys.",
            code="parameter_invalid",
            param="hidden_fields",
        )
    for index, key in enumerate(keys):
        if not _HIDDEN.fullmatch(key):
            raise InvalidRequest(
                "A key has 1 to 40 lower-case letters, digits, - and _.",
                code="parameter_invalid",
                param=f"hidden_fields[{index}]",
            )


@writes("/v1/pricing_tables", kind=KIND, params=CreatePricingTable, answer=PricingTableObject, rings=_RINGS)
async def create(call: Call, body: CreatePricingTable) -> PricingTable:
    """Create a pricing table."""
    _check(call, body)
    table = PricingTable(
        id=new_id("prctbl", call.now),
        scope=call.scope,
        created_at=call.now,
        prices=tuple(body.prices),
        success_url=body.success_url,
        cancel_url=body.cancel_url,
        active=body.active,
        allow_promotion_codes=body.allow_promotion_codes,
        trial_period_days=body.trial_period_days,
        hidden_fields=tuple(body.hidden_fields or ()),
        locale=body.locale,
        metadata=merchant_metadata.merge({}, metadata(body.metadata)),
    )
    return await services.create(call.conn, call.gateway, table, origin=call.origin)


@reads("/v1/pricing_tables/{id:str}", kind=KIND, params=Retrieve, answer=PricingTableObject)
async def retrieve(call: Call, _: Retrieve) -> PricingTable:
    """Retrieve a pricing table."""
    found = await pricing_tables.shelf.get(call.conn, call.scope, call.id)
    if found is None:
        raise NotFound(KIND, call.id)
    return found


@writes(
    "/v1/pricing_tables/{id:str}",
    kind=KIND,
    params=UpdatePricingTable,
    answer=PricingTableObject,
    methods=UPDATE,
    rings=_RINGS,
)
async def update(call: Call, body: UpdatePricingTable) -> PricingTable:
    """Update a pricing table."""
    _check(call, body)
    names = given(body, without=frozenset({"expand"}))
    return await services.update(
        call.conn,
        call.gateway,
        scope=call.scope,
        table_id=call.id,
        fields=PricingTableFields(given=names, **known(body, *names)),
        now=call.now,
        origin=call.origin,
    )


@reads("/v1/pricing_tables", kind=KIND, params=ListPricingTables, answer=PricingTableObject, is_list=True)
async def listed(call: Call, query: ListPricingTables) -> Page[PricingTable]:
    """List pricing tables."""
    return await pricing_tables.page(call.conn, query.page(call), active=query.active)


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (create, retrieve, update, listed)
