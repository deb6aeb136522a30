"""Stripe's four steps after voiding the newest invoice, over random histories: ST-41 to ST-45."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.dunning import OnRetriesExhausted
from gateway.domain.invoice import Status as InvoiceStatus
from gateway.domain.subscription import Status
from gateway.domain.voiding import Standing, status_after
from tests import factories
from tests.factories import NOW

SILENT = {InvoiceStatus.VOID, InvoiceStatus.DRAFT}
GOOD = {InvoiceStatus.PAID, InvoiceStatus.UNCOLLECTIBLE}
RESULT = {
    OnRetriesExhausted.CANCELED: Status.CANCELED,
    OnRetriesExhausted.UNPAID: Status.UNPAID,
    OnRetriesExhausted.PAST_DUE: Status.PAST_DUE,
}


def standing(
    number: int,
    status: InvoiceStatus,
    dunning_over: OnRetriesExhausted | None = None,
    due_at: datetime | None = None,
) -> Standing:
    made = factories.invoice(id=factories.numbered("in", number), status=status)
    return Standing(invoice=made, dunning_over=dunning_over, due_at=due_at)


HISTORIES = st.lists(
    st.tuples(
        st.sampled_from(InvoiceStatus),
        st.none() | st.sampled_from(OnRetriesExhausted),
        st.none() | st.integers(-3, 3).map(lambda days: NOW + timedelta(days=days)),
    ),
    max_size=8,
).map(lambda drawn: [standing(number, *facts) for number, facts in enumerate(drawn)])


def _speaks(one: Standing) -> bool:
    """Whether the walk ends at an invoice."""
    if one.invoice.status in SILENT:
        return False
    if one.invoice.status in GOOD:
        return True
    return one.dunning_over is not None if one.due_at is None else one.due_at < NOW


@given(HISTORIES, st.randoms(use_true_random=False))
def test_ST_45_only_the_newest_invoice_that_says_something_decides(history: list[Standing], random: object) -> None:
    newest = next((one for one in reversed(history) if _speaks(one)), None)
    alone = [] if newest is None else [newest]
    assert status_after(history, NOW) is status_after(alone, NOW)
    shuffled = list(history)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert status_after(shuffled, NOW) is status_after(history, NOW)


@given(HISTORIES)
def test_ST_45_the_outcome_is_one_of_the_four_steps(history: list[Standing]) -> None:
    result = status_after(history, NOW)
    newest = next((one for one in reversed(history) if _speaks(one)), None)
    if newest is None or newest.invoice.status in GOOD:
        assert result is Status.ACTIVE
    elif newest.due_at is not None:
        assert result is Status.PAST_DUE
    else:
        assert newest.dunning_over is not None
        assert result is RESULT[newest.dunning_over]


@pytest.mark.parametrize("good", sorted(GOOD))
def test_ST_42_a_paid_or_written_off_invoice_makes_it_active(good: InvoiceStatus) -> None:
    history = [
        standing(1, InvoiceStatus.OPEN, OnRetriesExhausted.CANCELED),
        standing(2, good),
        standing(3, InvoiceStatus.VOID),
    ]
    assert status_after(history, NOW) is Status.ACTIVE


@pytest.mark.parametrize("policy", list(OnRetriesExhausted))
def test_ST_43_an_invoice_whose_retries_are_over_leaves_what_the_policy_says(policy: OnRetriesExhausted) -> None:
    history = [standing(1, InvoiceStatus.PAID), standing(2, InvoiceStatus.OPEN, policy)]
    assert status_after([*history, standing(3, InvoiceStatus.VOID)], NOW) is RESULT[policy]


def test_ST_44_a_sent_invoice_past_its_due_date_leaves_it_past_due() -> None:
    late = standing(1, InvoiceStatus.OPEN, due_at=NOW - timedelta(seconds=1))
    on_time = standing(1, InvoiceStatus.OPEN, due_at=NOW)
    assert status_after([late], NOW) is Status.PAST_DUE
    assert status_after([on_time], NOW) is Status.ACTIVE
