"""What the commands of `dues contract` share: a chain to work on, a key, and "show, ask, send, check"."""

import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import click
import msgspec

from chain.administration import Price, Step, carry_out, price
from chain.checksum import checksum, parse_address
from chain.fees import FeePolicy
from chain.inspection import Inspection
from chain.json_rpc import JsonRpcChain
from chain.primitives import ZERO_ADDRESS, Address, Receipt, address
from chain.signer import DevelopmentSigner, KeystoreSigner, Signer
from gateway import config as settings
from gateway.cli.app import CommandFailed
from gateway.cli.running import prepared
from gateway.config import Config

_Command = TypeVar("_Command", bound=Callable[..., Any])

_GWEI: Final = 10**9
_COIN: Final = 10**18
_LABEL_WIDTH: Final = 13


class AddressType(click.ParamType[Address]):
    """An account; mixed case must be its EIP-55 checksum."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        """Read it, or fail with what is wrong."""
        try:
            return parse_address(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


ADDRESS: Final = AddressType()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """How a transaction is to be sent: with which key, asked for or not, or not at all (`calldata`)."""

    keystore: Path | None
    password_file: Path | None
    yes: bool
    calldata: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One chain, opened. People read what `say` prints, machines what `answer` prints."""

    config: Config
    settings: settings.Chain
    chain: JsonRpcChain
    inspection: Inspection
    as_json: bool

    @property
    def contract(self) -> Address:
        """The configured contract.

        Raises:
            CommandFailed: none is configured yet.
        """
        contract = address(self.settings.contract)
        if contract == ZERO_ADDRESS:
            raise CommandFailed(
                f"chain {self.settings.chain_id} has no contract yet: run `dues contract deploy`, then write its "
                "address into the settings"
            )
        return contract

    @property
    def policy(self) -> FeePolicy:
        """What the settings allow to be paid."""
        return FeePolicy(tip=self.settings.tip_gwei * _GWEI, cap=self.settings.max_fee_gwei * _GWEI)

    def say(self, text: str) -> None:
        """Tell a person."""
        click.echo(text, err=self.as_json)

    def tell(self, label: str, text: str) -> None:
        """Tell a person one thing, in a column."""
        self.say(f"{label:<{_LABEL_WIDTH}}{text}")

    def answer(self, document: Mapping[str, object]) -> None:
        """Tell a machine: one JSON document on standard output, if it was asked for."""
        if self.as_json:
            whole = {"chain_id": self.settings.chain_id, **document}
            click.echo(msgspec.json.format(msgspec.json.encode(whole), indent=2).decode())


def chain_options(command: _Command) -> _Command:
    """Which chain, and for whom the answer is."""
    command = click.option("--json", "as_json", is_flag=True, help="Answer with one JSON document.")(command)
    return click.option("--chain", "chain_id", type=int, help="Chain id. [default: the only configured chain]")(command)


def sending_options(command: _Command) -> _Command:
    """With which key, and whether to ask; the command gets them as one `sending`."""

    @wraps(command)
    def gathered(
        *words: Any,
        keystore: Path | None,
        password_file: Path | None,
        yes: bool,
        calldata: bool,
        **named: Any,
    ) -> Any:
        sending = Sending(keystore=keystore, password_file=password_file, yes=yes, calldata=calldata)
        return command(*words, sending=sending, **named)

    wrapped = cast("_Command", gathered)
    path = click.Path(path_type=Path, dir_okay=False)
    for option in (
        click.option("--calldata", is_flag=True, help="Send nothing: print what the owner has to send to whom."),
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--password-file", type=path, help="File with the keystore's password. [default: ask]"),
        click.option("--keystore", type=path, help="Key of the sender (Web3 Secret Storage v3)."),
    ):
        wrapped = option(wrapped)
    return wrapped


@asynccontextmanager
async def opened_desk(context: click.Context, chain_id: int | None, *, as_json: bool) -> AsyncIterator[Desk]:
    """Connect to the chosen chain.

    Raises:
        ConfigInvalid: the settings cannot be read.
        CommandFailed: the chain is not configured, or must be named.
    """
    config = prepared(context)
    chosen = _chosen(config, chain_id)
    urls = [url.reveal() for url in chosen.rpc_urls]
    async with (
        JsonRpcChain(urls, chain_id=chosen.chain_id) as chain,
        Inspection(urls, chain_id=chosen.chain_id) as inspection,
    ):
        yield Desk(config=config, settings=chosen, chain=chain, inspection=inspection, as_json=as_json)


def open_key(desk: Desk, sending: Sending) -> Signer:
    """The sender's key: a keystore, or on a local chain the configured development key.

    Raises:
        CommandFailed: neither is there.
        KeystoreInvalid: the file is none, or its password is another one.
    """
    if sending.keystore is not None:
        return KeystoreSigner(sending.keystore, _password(sending))
    known = (s.development_key for s in desk.config.signers if s.chain_id == desk.settings.chain_id)
    development = next((key for key in known if key is not None), None)
    if desk.settings.local and development is not None:
        return DevelopmentSigner(development.reveal())
    raise CommandFailed("name the sender's key with --keystore and --password-file (or use --calldata)")


async def perform(
    desk: Desk, sending: Sending, step: Step, *, signer: Signer | None = None, owner: Address | None = None
) -> Receipt | None:
    """Show a step and what it costs, ask, send it, and wait for it; None if it was only to be shown.

    Args:
        desk: where.
        sending: how.
        step: what.
        signer: the sender, if its key is open already.
        owner: the only account that the contract lets do this; None = anybody may.

    Raises:
        CommandFailed: the key is not the owner's, it cannot pay, or nobody could be asked.
        ChainError: the chain did not take it.
    """
    if sending.calldata:
        _show_calldata(desk, step, owner)
        return None
    signer = signer or open_key(desk, sending)
    if owner is not None and signer.address != owner:
        raise CommandFailed(
            f"{checksum(signer.address)} is not the contract's owner, {checksum(owner)} is: use that key, or "
            "--calldata to have it sent from elsewhere"
        )
    cost = await price(desk.chain, desk.inspection, signer.address, step, desk.policy)
    _show(desk, step, signer.address, cost)
    if cost.balance < cost.at_most:
        raise CommandFailed(
            f"{checksum(signer.address)} holds {coins(cost.balance)}, it may need {coins(cost.at_most)}"
        )
    _ask(sending, desk)
    receipt = await carry_out(desk.chain, signer, step, cost, desk.policy)
    desk.tell("mined", f"{receipt.transaction_hash} in block {receipt.block.number}")
    desk.tell("paid", f"{receipt.gas_used:,} gas, {coins(receipt.gas_used * receipt.gas_price)}")
    return receipt


def mined(receipt: Receipt) -> dict[str, object]:
    """A receipt for machines; wei as a string."""
    return {
        "transaction": receipt.transaction_hash,
        "block": receipt.block.number,
        "gas_used": receipt.gas_used,
        "cost_wei": str(receipt.gas_used * receipt.gas_price),
    }


def coins(wei: int) -> str:
    """Wei in the native coin, for people."""
    return f"{wei / _COIN:.9f} of the native coin"


def _chosen(config: Config, chain_id: int | None) -> settings.Chain:
    known = {chain.chain_id: chain for chain in config.chains}
    if chain_id is None and len(known) == 1:
        return config.chains[0]
    if chain_id in known:
        return known[chain_id]
    listed = ", ".join(str(each) for each in known) or "none"
    raise CommandFailed(f"--chain: name one of the configured chains ({listed})")


def _password(sending: Sending) -> str:
    if sending.password_file is None:
        if not sys.stdin.isatty():
            raise CommandFailed("--password-file: needed where nobody can be asked")
        return str(click.prompt("Password of the keystore", hide_input=True, err=True))
    try:
        return sending.password_file.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise CommandFailed(f"--password-file: {sending.password_file} cannot be read ({error.strerror})") from None


def _show_calldata(desk: Desk, step: Step, owner: Address | None) -> None:
    desk.tell("would", step.what)
    desk.tell("from", "anybody" if owner is None else f"{checksum(owner)} (the owner)")
    desk.tell("to", checksum(step.to))
    desk.tell("data", "0x" + step.data.hex())
    desk.answer({"sent": False, "does": step.what, "from": owner, "to": step.to, "data": "0x" + step.data.hex()})


def _show(desk: Desk, step: Step, sender: Address, cost: Price) -> None:
    desk.tell("chain", f"{desk.settings.chain_id} ({desk.settings.name})")
    desk.tell("from", f"{checksum(sender)}, holds {coins(cost.balance)}")
    desk.tell("to", checksum(step.to))
    desk.tell("does", step.what)
    desk.tell("gas", f"{cost.gas:,} estimated, limit {cost.gas_limit:,}")
    desk.tell("cost", f"about {coins(cost.expected)}, at most {coins(cost.at_most)}")


def _ask(sending: Sending, desk: Desk) -> None:
    if sending.yes:
        return
    if not sys.stdin.isatty():
        raise CommandFailed("nothing was sent: nobody can be asked here; say --yes")
    if not click.confirm("Send this?", err=desk.as_json):
        raise CommandFailed("nothing was sent")
