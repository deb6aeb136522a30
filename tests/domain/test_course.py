"""When a subscription wakes and what it does then agree: otherwise a worker would look at it for ever, or never."""

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import course
from gateway.domain.settings import AccountSettings
from gateway.domain.subscription import AWAITING_FIRST_PAYMENT, TERMINAL, Due, Status, Subscription, due
from gateway.domain.transition import StatusReason
from tests import factories
from tests.factories import NOW

DAY = timedelta(days=1)
MOMENTS = st.one_of(st.none(), st.integers(-60, 60).map(lambda days: NOW + days * DAY))


@st.composite
def subscriptions(draw: st.DrawFn) -> Subscription:
    status = draw(st.sampled_from(Status))
    index = draw(st.integers(0, 3))
    value = factories.subscription(status=status, activated_at=draw(st.sampled_from([None, NOW])))
    return replace(
        value,
        period_index=index,
        period_end=NOW + draw(st.integers(-60, 60)) * DAY,
        expires_at=draw(MOMENTS) if status in AWAITING_FIRST_PAYMENT else None,
        ends_at=draw(MOMENTS),
        grace_ends_at=draw(MOMENTS),
        trial_end=draw(MOMENTS),
        trial_notice_at=draw(MOMENTS),
        upcoming_at=draw(MOMENTS),
    )


@given(subscriptions())
def test_a_subscription_wakes_exactly_when_something_is_due(value: Subscription) -> None:
    has_work = due(value, NOW) is not Due.NOTHING
    assert (value.wake_at is not None and value.wake_at <= NOW) == has_work
    assert value.status not in TERMINAL or value.wake_at is None


@given(value=subscriptions(), re_anchor=st.booleans(), owes=st.booleans())
def test_C16_a_resumed_subscription_owes_nothing_for_the_time_of_the_pause(
    *, value: Subscription, re_anchor: bool, owes: bool
) -> None:
    paused = replace(value, status=Status.PAUSED)
    after = course.resume(paused, NOW, re_anchor=re_anchor, owes=owes, notice=DAY).value
    assert after.status in {Status.ACTIVE, Status.TRIALING, Status.PAST_DUE}
    begins = after.next_period.start
    assert begins >= NOW or begins == after.period_end
    assert after.next_period.index == after.period_index + 1


@given(st.integers(1, 45), st.integers(1, 400))
def test_C09_a_notice_lies_within_its_period(days: int, length: int) -> None:
    notice = AccountSettings(upcoming_days=days).upcoming_notice
    current = replace(factories.active_subscription().current_period, end=NOW + length * DAY)
    told: datetime = course.notice_at(current, notice)
    assert current.start <= told < current.end
    assert current.end - told <= notice


def test_ST_25_a_pending_setup_is_named_and_forgotten_with_an_event_each() -> None:
    waiting = course.await_setup(factories.subscription(), "seti_1", NOW)
    done = course.await_setup(waiting.value, None, NOW)
    assert (waiting.value.pending_setup_intent_id, done.value.pending_setup_intent_id) == ("seti_1", None)
    assert [event.type for event in (*waiting.events, *done.events)] == ["customer.subscription.updated"] * 2


def test_every_status_has_its_reason_after_a_pause() -> None:
    paused = course.pause(factories.active_subscription(reason=StatusReason("first")), NOW).value
    resumed = course.resume(paused, NOW, re_anchor=False, owes=False, notice=DAY).value
    assert (paused.reason.code, resumed.reason.code) == ("paused_by_merchant", "resumed")
