"""Meters at a merchant's request, and the events that they count (ST-74)."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from gateway.db import meters
from gateway.db.engine import Connection
from gateway.db.errors import ConstraintBroken, WriteConflict
from gateway.domain import metering as domain
from gateway.domain.catalog import Scope
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.ids import new_id
from gateway.domain.metering import Meter, MeterEvent, Status, Window
from gateway.domain.transition import Moved
from gateway.services import times, usage
from gateway.services.catalog import customer_of
from gateway.services.gateway import Gateway
from gateway.services.recording import Origin, record

KIND: Final = domain.KIND
WINDOWS_MAX: Final = 200
"""Summaries of one answer: a hundred days by the day, eight by the hour."""


async def create(conn: Connection, gateway: Gateway, meter: Meter, *, origin: Origin) -> Meter:
    """Make a meter.

    Raises:
        InvalidRequest: an active meter counts these events already.
    """
    moved = domain.create(meter)
    try:
        await meters.shelf.add(conn, [meter])
    except ConstraintBroken as error:
        raise _name_taken(error, meter) from error
    await record(conn, gateway, [moved], origin=origin)
    return meter


def _name_taken(error: ConstraintBroken, meter: Meter) -> Exception:
    if error.constraint != "uq_meters_event_name":
        return error
    return InvalidRequest(
        f"Another active meter counts '{meter.event_name}' already.", code="event_name_taken", param="event_name"
    )


async def rename(
    conn: Connection, gateway: Gateway, *, scope: Scope, meter_id: str, display_name: str, now: datetime, origin: Origin
) -> Meter:
    """Change a meter's name for people.

    Raises:
        NotFound: there is no such meter.
    """
    return await _save(conn, gateway, domain.rename(await _locked(conn, scope, meter_id), display_name, now), origin)


async def deactivate(
    conn: Connection, gateway: Gateway, *, scope: Scope, meter_id: str, now: datetime, origin: Origin
) -> Meter:
    """Take no more events.

    Raises:
        InvalidRequest: it is inactive.
        NotFound: there is no such meter.
    """
    return await _save(conn, gateway, domain.deactivate(await _locked(conn, scope, meter_id), now), origin)


async def reactivate(
    conn: Connection, gateway: Gateway, *, scope: Scope, meter_id: str, now: datetime, origin: Origin
) -> Meter:
    """Take events again.

    Raises:
        InvalidRequest: it is active, or another active meter counts the same events by now.
        NotFound: there is no such meter.
    """
    return await _save(conn, gateway, domain.reactivate(await _locked(conn, scope, meter_id), now), origin)


async def _locked(conn: Connection, scope: Scope, meter_id: str) -> Meter:
    found = await meters.shelf.get(conn, scope, meter_id, lock=True)
    if found is None:
        raise NotFound(KIND, meter_id)
    return found


async def _save(conn: Connection, gateway: Gateway, moved: Moved[Meter], origin: Origin) -> Meter:
    try:
        await meters.shelf.save(conn, [moved.value])
    except ConstraintBroken as error:
        raise _name_taken(error, moved.value) from error
    await record(conn, gateway, [moved], origin=origin)
    return moved.value


async def usable(conn: Connection, scope: Scope, meter_id: str, *, param: str) -> Meter:
    """Return a meter that a new price may charge by.

    Raises:
        InvalidRequest: it is inactive.
        NotFound: there is no such meter.
    """
    found = await meters.shelf.get(conn, scope, meter_id)
    if found is None:
        raise NotFound(KIND, meter_id, param=param)
    if found.status is not Status.ACTIVE:
        raise InvalidRequest(f"Meter '{meter_id}' is not active.", code="meter_inactive", param=param)
    return found


async def tell(
    conn: Connection,
    *,
    scope: Scope,
    event_name: str,
    payload: Mapping[str, str],
    identifier: str | None = None,
    happened_at: datetime | None = None,
    system_now: datetime,
) -> tuple[Meter, MeterEvent]:
    """Write down that a customer used something; telling it again under the same identifier changes nothing.

    Raises:
        InvalidRequest: the payload or the time is not what the meter takes, its period is billed already, or the
            identifier is another event's.
        NotFound: there is no active meter of that event, or no such customer.
        WriteConflict: the same event is being told of twice at once; it may be tried again.
    """
    meter = await meters.by_event_name(conn, scope, event_name)
    if meter is None:
        raise NotFound("active billing.meter of event", event_name, param="event_name")
    customer_id = domain.customer_of(meter, payload)
    value = domain.value_of(meter, payload)
    customer = await customer_of(conn, scope, customer_id, param=f"payload[{meter.customer_key}]")
    now = await times.of_clock(conn, customer.test_clock_id, system_now)
    if identifier is not None and (known := await meters.event_by_identifier(conn, scope, identifier)) is not None:
        told = (known.meter_id, known.customer_id, known.value)
        if told != (meter.id, customer.id, value) or happened_at not in {None, known.happened_at}:
            raise InvalidRequest(
                f"The identifier '{identifier}' was used for another event.",
                code="meter_event_identifier_reused",
                param="identifier",
            )
        return meter, known
    event = MeterEvent(
        id=new_id("mevt", now),
        scope=scope,
        created_at=now,
        meter_id=meter.id,
        customer_id=customer.id,
        identifier=identifier or secrets.token_urlsafe(24),
        value=value,
        happened_at=happened_at or now,
    )
    domain.check_time(event.happened_at, now)
    if await usage.is_closed(conn, meter.id, customer.id, event.happened_at):
        raise InvalidRequest(
            "The invoice of that period is finalised already: its usage is fixed. Bill it by an invoice item.",
            code="meter_event_too_late",
            param="timestamp",
        )
    try:
        await meters.event_shelf.add(conn, [event])
    except ConstraintBroken as error:
        raise WriteConflict("the same meter event was told of at the same time") from error
    return meter, event


async def summaries(
    conn: Connection,
    *,
    scope: Scope,
    meter_id: str,
    customer_id: str,
    start: datetime,
    end: datetime,
    step: timedelta | None = None,
) -> list[tuple[Window, int]]:
    """What a customer used of a meter in [start, end), as a whole or in steps, newest first.

    Raises:
        InvalidRequest: the end is not after the start, or there are too many steps.
        NotFound: there is no such meter or customer.
    """
    if await meters.shelf.get(conn, scope, meter_id) is None:
        raise NotFound(KIND, meter_id)
    customer = await customer_of(conn, scope, customer_id, param="customer")
    if end <= start:
        raise InvalidRequest("end_time must be after start_time.", code="parameter_invalid", param="end_time")
    windows = _windows(Window(meter_id, customer.id, start, end), step)
    return list(zip(windows, await meters.usage(conn, windows), strict=True))


def _windows(whole: Window, step: timedelta | None) -> Sequence[Window]:
    if step is None:
        return [whole]
    count = -((whole.start - whole.end) // step)
    if count > WINDOWS_MAX:
        raise InvalidRequest(
            f"There are {count} windows between start_time and end_time; {WINDOWS_MAX} are the most.",
            code="parameter_invalid",
            param="end_time",
        )
    starts = [whole.start + n * step for n in range(count)]
    return [
        Window(whole.meter_id, whole.customer_id, start, min(start + step, whole.end)) for start in reversed(starts)
    ]
