"""What every use case stands on: the books, and the chains and tokens that the operator configured.

Made once by a composition root (`gateway.composition`) and passed down; it holds no clock, no secret and no connection
to a chain.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from chain.primitives import Address, BlockTag
from gateway.db.engine import Books
from gateway.domain.dunning import RetryPolicy
from gateway.domain.errors import InvalidRequest
from gateway.domain.money import Token


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A chain as the operator configured it.

    Attributes:
        contract: our `DuesMandates` on it.
        confirmations: blocks on top of a block, itself included, that make it final where the network has no tags.
        arrears: how many past periods new mandates allow to be collected.
        fee_cap: most that one gas may cost, in wei.
        tip: priority fee that is offered while nothing is urgent, in wei per gas.
        start_block: nothing of ours happened before this block.
        final_tag: the network's own word for final blocks; None counts confirmations.
        is_local: a development chain whose time may be moved.
        explorer_url: where people look transactions up; None = nowhere.
    """

    chain_id: int
    name: str
    contract: Address
    livemode: bool
    confirmations: int
    arrears: int = 1
    fee_cap: int = 200_000_000_000
    tip: int = 1_000_000_000
    start_block: int = 0
    final_tag: BlockTag | None = None
    is_local: bool = False
    explorer_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailPolicy:
    """Whose mails are sent at all.

    Attributes:
        sender: address that all mails come from; merchants' names stand before it.
        in_test_mode: also for objects of test mode, whose customers may be anybody.
    """

    sender: str
    in_test_mode: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The books, the configured chains, and the operator's defaults for merchants.

    Attributes:
        finalization_delay: how long a renewal's invoice stays a draft that can still be changed (C10).
        retry_policy: when a failed renewal is tried again.
        mail: None = nobody is written to.
    """

    books: Books
    networks: Mapping[int, Network]
    tokens: Mapping[tuple[int, Address], Token]
    public_url: str
    finalization_delay: timedelta = timedelta(hours=1)
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    mail: MailPolicy | None = None

    def network(self, chain_id: int, *, livemode: bool, param: str = "chain_id") -> Network:
        """Return a configured chain of the given mode.

        Raises:
            InvalidRequest: there is none; a live key never reaches a test chain, and the other way round.
        """
        network = self.networks.get(chain_id)
        if network is None or network.livemode is not livemode:
            known = sorted(n.chain_id for n in self.networks.values() if n.livemode is livemode)
            raise InvalidRequest(
                f"Chain {chain_id} is not configured here. Use one of: {known}.", code="unknown_chain", param=param
            )
        return network

    def token(self, chain_id: int, address: Address, *, param: str = "token") -> Token:
        """Return a configured token.

        Raises:
            InvalidRequest: it is not one that this gateway settles in.
        """
        token = self.tokens.get((chain_id, address))
        if token is None:
            known = sorted(t.symbol for t in self.tokens.values() if t.chain_id == chain_id)
            raise InvalidRequest(
                f"Token {address} is not accepted on chain {chain_id}. Accepted there: {', '.join(known) or 'none'}.",
                code="unsupported_token",
                param=param,
            )
        return token
