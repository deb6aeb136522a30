"""Deploying our contracts and administering them, with web3.py. The only module that imports web3.

`import web3` costs almost three seconds of CPU, so nothing imports this module at its own top: commands that deploy do
it inside the function. Everything here is for an operator at a keyboard or a sandbox that sets itself up: one
transaction after the other, each waited for. The gateway's charges never pass through here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

import requests
from eth_account import Account
from web3 import HTTPProvider, Web3
from web3.exceptions import ContractLogicError, TimeExhausted, Web3Exception, Web3RPCError

from chain import artifacts
from chain.checksum import checksum
from chain.errors import CallReverted, KeystoreInvalid, RpcRejected, RpcUnavailable, WrongChain
from chain.primitives import ZERO_ADDRESS, Address, BlockRef, Receipt, address, hash32
from chain.reverts import decode_revert
from chain.signer import open_keystore

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount
    from web3.contract.contract import ContractConstructor, ContractFunction
    from web3.types import TxParams, TxReceipt

REQUEST_SECONDS: Final = 30.0
RECEIPT_SECONDS: Final = 180.0  # fifteen blocks of mainnet
_RECEIPT_POLL_SECONDS: Final = 0.05  # a receipt can be missing right after an automined send
_SUCCEEDED: Final = 1


def account_from_key(private_key: str | bytes) -> "LocalAccount":
    """The account of a bare key, for local chains.

    Raises:
        KeystoreInvalid: it is not a private key.
    """
    try:
        account: LocalAccount = Account.from_key(private_key)
    except Exception:  # noqa: BLE001  (eth-keys raises many kinds; some of their messages hold the key)
        raise KeystoreInvalid("not a private key: expected 32 bytes, as bytes or hex") from None
    return account


def account_from_keystore(path: Path, password: str) -> "LocalAccount":
    """The account of a keystore v3 file.

    Raises:
        KeystoreInvalid: unreadable, another version, or a wrong password.
    """
    return open_keystore(path, password)


class Administrator:
    """An account that deploys contracts and calls their administrative functions; every method waits for its receipt.

    All methods raise `RpcUnavailable` (no answer, or no receipt in time: the transaction may still be mined),
    `RpcRejected` (the node did not take it) and `CallReverted` (it would revert, found before anything is sent, or it
    did).
    """

    def __init__(self, rpc_url: str, account: "LocalAccount", *, chain_id: int) -> None:
        """Connect.

        Raises:
            WrongChain: the endpoint serves another chain; nothing was sent.
            RpcUnavailable: it does not answer.
        """
        # web3 would repeat eth_sendRawTransaction by itself and then report its own transaction as already known.
        self._session = requests.Session()
        options = {"timeout": REQUEST_SECONDS}
        self._web3 = Web3(HTTPProvider(rpc_url, options, self._session, exception_retry_configuration=None))
        self._host = urlsplit(rpc_url).hostname or "the endpoint"
        self._account = account
        self.address: Final = address(account.address)
        with self._translated():
            found = self._web3.eth.chain_id
        if found != chain_id:
            raise WrongChain(chain_id, found, self._host)

    def deploy(self, contract_name: str, *arguments: object) -> Address:
        """Deploy the artifact of this name.

        Raises:
            ArtifactInvalid: there is none.
        """
        artifact = artifacts.load(contract_name)
        contract = self._web3.eth.contract(
            abi=cast("Any", artifacts.abi_json(contract_name)), bytecode=artifact.creation_code
        )
        with self._translated():
            receipt = self._transact(contract.constructor(*(_argument(argument) for argument in arguments)))
        created = receipt["contractAddress"]
        if created is None:
            raise RpcUnavailable(f"{self._host} gave a receipt without the address of the new {contract_name}")
        return address(created)

    def call(self, contract_name: str, contract: Address, function: str, *arguments: object) -> Receipt:
        """Call a function of a deployed contract, by the ABI of `contract_name`."""
        bound = self._web3.eth.contract(
            address=Web3.to_checksum_address(contract), abi=cast("Any", artifacts.abi_json(contract_name))
        )
        with self._translated():
            chosen = bound.functions[function](*(_argument(argument) for argument in arguments))
            return _receipt(self._transact(chosen))

    def deploy_mandates(self, *, owner: Address | None = None, fee_recipient: Address = ZERO_ADDRESS) -> Address:
        """Deploy `DuesMandates`, owned by `owner` (default: this account); without a fee recipient no fee is taken."""
        return self.deploy(artifacts.MANDATES, owner or self.address, fee_recipient)

    def set_operator(self, contract: Address, operator: Address, *, allowed: bool = True) -> Receipt:
        """Let `operator` charge through `contract`, or stop it."""
        return self.call(artifacts.MANDATES, contract, "setOperator", operator, allowed)

    def allow_token(self, contract: Address, token: Address, *, allowed: bool = True) -> Receipt:
        """Let new mandates of `contract` name `token`, or not."""
        return self.call(artifacts.MANDATES, contract, "setToken", token, allowed)

    def mint(self, token: Address, recipient: Address, amount: int) -> Receipt:
        """Make test tokens, in base units."""
        return self.call("TestUSDC", token, "mint", recipient, amount)

    def approve(self, token: Address, spender: Address, amount: int) -> Receipt:
        """Let `spender` take at most `amount` base units of this account's `token`."""
        return self.call("TestUSDC", token, "approve", spender, amount)

    def transfer(self, token: Address, recipient: Address, amount: int) -> Receipt:
        """Send `amount` base units of `token`."""
        return self.call("TestUSDC", token, "transfer", recipient, amount)

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def _transact(self, call: "ContractConstructor | ContractFunction") -> "TxReceipt":
        eth = self._web3.eth
        sender = self._account.address
        fields: TxParams = {"from": sender, "nonce": eth.get_transaction_count(sender, "latest")}
        signed = self._account.sign_transaction(cast("Any", call.build_transaction(fields)))
        sent = eth.send_raw_transaction(signed.raw_transaction)
        receipt = eth.wait_for_transaction_receipt(sent, RECEIPT_SECONDS, _RECEIPT_POLL_SECONDS)
        if receipt["status"] != _SUCCEEDED:
            raise CallReverted(b"")
        return receipt

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except ContractLogicError as error:
            raise _reverted(error) from error
        except Web3RPCError as error:
            refusal = (error.rpc_response or {}).get("error")
            code, words = (refusal["code"], refusal["message"]) if isinstance(refusal, dict) else (0, str(error))
            raise RpcRejected(int(code), str(words)) from error
        except TimeExhausted:
            raise RpcUnavailable(f"{self._host} gave no receipt within {RECEIPT_SECONDS:g} s") from None
        except requests.RequestException as error:
            # The library's own message holds the URL.
            raise RpcUnavailable(f"{self._host} is out of reach: {type(error).__name__}") from None
        except Web3Exception as error:
            raise RpcUnavailable(f"{self._host}: {error}") from error


def _argument(argument: object) -> object:
    is_address = isinstance(argument, str) and argument.startswith("0x") and len(argument) == len(ZERO_ADDRESS)
    return checksum(address(str(argument))) if is_address else argument


def _reverted(error: ContractLogicError) -> CallReverted:
    data = error.data if isinstance(error.data, str) else ""
    try:
        return decode_revert(bytes.fromhex(data.removeprefix("0x")))
    except ValueError:
        return CallReverted(b"")


def _receipt(found: "TxReceipt") -> Receipt:
    return Receipt(
        transaction_hash=hash32(found["transactionHash"].to_0x_hex()),
        block=BlockRef(found["blockNumber"], hash32(found["blockHash"].to_0x_hex())),
        succeeded=found["status"] == _SUCCEEDED,
        gas_used=found["gasUsed"],
        gas_price=found["effectiveGasPrice"],
    )
