"""What a wallet is asked for, prepared here: the page relays it and computes nothing (U1).

The chain is asked once, for everything: balance, allowance, permit nonce, and whether transfer and approval would pass.
"""

from dataclasses import dataclass
from typing import Any, Final

from chain import eip712, erc20, mandates
from chain.errors import CallReverted, ChainError
from chain.port import ChainPort
from chain.primitives import ZERO_ADDRESS, Address, MandateTerms
from gateway.domain.money import Token, to_base_units
from gateway.web.shown import Shown

_DELEGATED: Final = bytes.fromhex("ef0100")
"""EIP-7702: an account with delegated code still signs with its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a wallet is to agree to: a mandate's terms, and the base units that it must allow for them in all."""

    chain_id: int
    contract: Address
    terms: MandateTerms
    token: Token
    allowance: int

    @property
    def payer(self) -> Address:
        """The wallet."""
        return self.terms.payer


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletFacts:
    """The wallet as the chain knows it now; amounts in base units.

    Attributes:
        can_transfer: False when the token refuses transfers from it: blocked by its issuer, or all of them paused.
        needs_reset: the token wants an allowance of zero before another one (USDT).
        permit_nonce: None where no permit can be signed: the token has none, or the wallet is a contract.
    """

    balance: int
    allowance: int
    can_transfer: bool
    needs_reset: bool
    permit_nonce: int | None


def wish_of(shown: Shown) -> Wish:
    """What the wallet of a session is to agree to.

    Raises:
        LookupError: none is connected, or its chain or token is configured here no more.
    """
    draft, token = shown.session.draft, shown.token
    if draft is None or token is None:
        raise LookupError("the chain or the token of the draft is configured here no more")
    return Wish(
        chain_id=draft.chain_id,
        contract=draft.contract,
        terms=draft.terms,
        token=token,
        allowance=shown.allowance_needed,
    )


async def facts(chain: ChainPort, wish: Wish) -> WalletFacts | None:
    """Ask the chain about the connected wallet; None when it does not answer."""
    payer, contract, token = wish.payer, wish.contract, wish.token
    address = token.address
    approval = erc20.approve_data(contract, wish.allowance)
    try:
        code = await chain.code(payer)
        answers = await chain.calls(
            [
                (ZERO_ADDRESS, address, erc20.balance_of_data(payer)),
                (ZERO_ADDRESS, address, erc20.allowance_data(payer, contract)),
                (payer, address, erc20.transfer_data(wish.terms.payee, 0)),
                (payer, address, approval),
                (ZERO_ADDRESS, address, erc20.nonces_data(payer)),
            ]
        )
    except ChainError:
        return None
    balance, allowance, transfer, approve, nonce = answers
    if not isinstance(balance, bytes) or not isinstance(allowance, bytes):
        return None
    signs_itself = not code or code.startswith(_DELEGATED)
    has_permit = token.permit_name is not None and signs_itself and isinstance(nonce, bytes) and bool(nonce)
    return WalletFacts(
        balance=erc20.decode_uint(balance),
        allowance=erc20.decode_uint(allowance),
        can_transfer=not isinstance(transfer, CallReverted),
        needs_reset=isinstance(approve, CallReverted) and erc20.decode_uint(allowance) > 0,
        permit_nonce=erc20.decode_uint(nonce) if has_permit and isinstance(nonce, bytes) else None,
    )


def first_amount(shown: Shown, token: Token) -> int:
    """Base units of the first charge."""
    draft = shown.session.draft
    return 0 if draft is None else to_base_units(draft.total, shown.session.offer.currency, token)


def requests(wish: Wish, found: WalletFacts) -> dict[str, Any]:
    """What the page relays: transactions that allow, or a permit to sign instead, and the mandate."""
    needed = wish.allowance
    is_allowed = found.allowance >= needed
    by_permit = not is_allowed and found.permit_nonce is not None
    return {
        "payer": wish.payer,
        "calls": [] if is_allowed or by_permit else approvals(wish.token.address, wish.contract, needed, found),
        "permit": _permit(wish, found.permit_nonce or 0) if by_permit else None,
        "mandate": eip712.mandate_typed_data(wish.terms, wish.chain_id, wish.contract),
    }


def batch(wish: Wish, found: WalletFacts, first: int) -> dict[str, Any]:
    """Everything in one prompt, for a wallet that sends calls together (EIP-5792): allow, agree, pay the first period.

    The payer sends the agreement itself, so that it needs no signature; the contract collects in the same transaction.
    """
    allowed = found.allowance >= wish.allowance
    allow = [] if allowed else approvals(wish.token.address, wish.contract, wish.allowance, found)
    agree = {"to": wish.contract, "data": "0x" + mandates.subscribe_data(wish.terms, first_amount=first).hex()}
    return {
        "calls": [*allow, agree],
        "mandate": eip712.mandate_id(wish.terms, wish.chain_id, wish.contract),
    }


def approvals(token: Address, spender: Address, amount: int, found: WalletFacts | None) -> list[dict[str, str]]:
    """Transactions that set an allowance of exactly `amount`."""
    amounts = [0, amount] if found is not None and found.needs_reset else [amount]
    return [{"to": token, "data": "0x" + erc20.approve_data(spender, value).hex()} for value in amounts]


def _permit(wish: Wish, nonce: int) -> dict[str, Any]:
    document = eip712.permit_typed_data(
        token=wish.token.address,
        token_name=wish.token.permit_name or "",
        token_version=wish.token.permit_version or "1",
        chain_id=wish.chain_id,
        owner=wish.payer,
        spender=wish.contract,
        value=wish.allowance,
        nonce=nonce,
        deadline=wish.terms.deadline,
    )
    return dict(document)
