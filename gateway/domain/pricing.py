"""The arithmetic of an invoice: lines, discounts, taxes, total, credit, in this order and in integers only.

Nothing here knows of rows or of statuses. The same lines give the same sums in any order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.domain.discount import BASIS_POINTS, Coupon, Discount, allocate
from gateway.domain.invoice import InvoiceLine, LineDiscount
from gateway.domain.tax import TaxAmount, TaxRate, rounded, taxes


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What a line asks for before discounts and taxes; negative for a credit, which no coupon reduces further."""

    amount: int
    discountable: bool = True
    rates: tuple[TaxRate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedLine:
    """What became of a line; `discounts` holds one part for each coupon, in their order."""

    amount: int
    discounts: tuple[int, ...]
    taxes: tuple[TaxAmount, ...]

    @property
    def discount(self) -> int:
        """What all coupons take off."""
        return sum(self.discounts)

    @property
    def total(self) -> int:
        """What the line adds to the invoice."""
        return self.amount - self.discount + sum(tax.amount for tax in self.taxes if not tax.inclusive)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a customer's balance makes of a total.

    Attributes:
        amount_due: what has to be paid, never negative.
        ending_balance: what stays on the balance; negative is credit.
    """

    amount_due: int
    ending_balance: int


def price(items: Sequence[Item], coupons: Sequence[Coupon]) -> list[PricedLine]:
    """Apply coupons one after another to what the earlier ones left, then the rates of each line."""
    left = [item.amount if item.discountable and item.amount > 0 else 0 for item in items]
    taken: list[list[int]] = [[] for _ in items]
    for coupon in coupons:
        parts = allocate(_off(coupon, sum(left)), left)
        for index, part in enumerate(parts):
            taken[index].append(part)
            left[index] -= part
    return [
        PricedLine(amount=item.amount, discounts=tuple(parts), taxes=taxes(item.amount - sum(parts), item.rates))
        for item, parts in zip(items, taken, strict=True)
    ]


def _off(coupon: Coupon, amount: int) -> int:
    """What a coupon takes off a sum: never more than the sum."""
    if coupon.percent_off is not None:
        return rounded(amount * coupon.percent_off, BASIS_POINTS)
    return min(coupon.amount_off or 0, amount)


def settle(total: int, balance: int) -> Settlement:
    """Apply a customer's balance: credit pays first, a debt is added, and what a negative total leaves is credited."""
    owed = total + balance
    return Settlement(amount_due=max(owed, 0), ending_balance=min(owed, 0))


def price_lines(
    lines: Sequence[tuple[InvoiceLine, Sequence[TaxRate]]],
    discounts: Sequence[Discount],
    coupons: Mapping[str, Coupon],
    currency: str,
) -> tuple[InvoiceLine, ...]:
    """Give every line of an invoice its discounts and its taxes; `coupons` holds those of the discounts, by id.

    An amount off in another currency takes nothing.
    """
    counting = [discount for discount in discounts if coupons[discount.coupon_id].currency in (None, currency)]
    priced = price(
        [Item(amount=line.amount, discountable=line.discountable, rates=tuple(rates)) for line, rates in lines],
        [coupons[discount.coupon_id] for discount in counting],
    )
    return tuple(
        replace(
            line,
            discount_amounts=tuple(
                LineDiscount(discount_id=discount.id, amount=part)
                for discount, part in zip(counting, result.discounts, strict=True)
                if part
            ),
            tax_amounts=result.taxes,
        )
        for (line, _), result in zip(lines, priced, strict=True)
    )
