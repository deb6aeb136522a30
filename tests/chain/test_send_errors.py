from collections.abc import Callable

import pytest

from chain.json_rpc import JsonRpcChain
from chain.local_node import DEVELOPMENT_KEYS, DevelopmentChain
from chain.primitives import Fees, SendResult, TransactionRequest
from chain.send_errors import best, meaning_of
from chain.signer import DevelopmentSigner

# As the nodes word it; the comment says which.
WORDS = [
    ("already known", SendResult.ALREADY_KNOWN),  # geth, erigon
    ("AlreadyKnown", SendResult.ALREADY_KNOWN),  # nethermind
    ("Known transaction", SendResult.ALREADY_KNOWN),  # besu
    ("transaction already imported", SendResult.ALREADY_KNOWN),  # anvil, reth
    ("nonce too low: next nonce 7, tx nonce 3", SendResult.NONCE_TOO_LOW),  # geth
    ("nonce too low", SendResult.NONCE_TOO_LOW),  # anvil, erigon
    ("OldNonce, Current nonce: 7, nonce of rejected tx: 3", SendResult.NONCE_TOO_LOW),  # nethermind
    ("transaction nonce 3 below sender account nonce 7", SendResult.NONCE_TOO_LOW),  # besu
    ("nonce too high: address 0x…, tx: 9 state: 7", SendResult.NONCE_TOO_HIGH),  # geth
    ("NonceGap, Future nonce. Expected nonce: 7", SendResult.NONCE_TOO_HIGH),  # nethermind
    ("replacement transaction underpriced", SendResult.REPLACEMENT_UNDERPRICED),  # geth, anvil
    (
        "replacement transaction underpriced: new tx gas fee cap 1 <= 2 queued",
        SendResult.REPLACEMENT_UNDERPRICED,
    ),  # geth
    ("ReplacementNotAllowed", SendResult.REPLACEMENT_UNDERPRICED),  # nethermind
    ("replacement fee too low", SendResult.REPLACEMENT_UNDERPRICED),
    ("INTERNAL_ERROR: could not replace existing tx", SendResult.REPLACEMENT_UNDERPRICED),  # erigon behind a provider
    ("transaction already exists", SendResult.ALREADY_KNOWN),
    ("could not replace existing tx", SendResult.REPLACEMENT_UNDERPRICED),  # erigon
    ("transaction underpriced: tip needed 1, tip permitted 0", SendResult.FEE_CAP_TOO_LOW),  # geth
    ("max fee per gas less than block base fee: address 0x…", SendResult.FEE_CAP_TOO_LOW),  # geth, anvil
    ("fee too low", SendResult.FEE_CAP_TOO_LOW),  # erigon
    ("FeeTooLow, MaxFeePerGas too low", SendResult.FEE_CAP_TOO_LOW),  # nethermind
    ("Gas price below configured minimum gas price", SendResult.FEE_CAP_TOO_LOW),  # besu
    ("insufficient funds for gas * price + value: have 1 want 2", SendResult.INSUFFICIENT_FUNDS),  # geth
    ("Insufficient funds for gas * price + value", SendResult.INSUFFICIENT_FUNDS),  # anvil
    ("InsufficientFunds, Account balance: 0", SendResult.INSUFFICIENT_FUNDS),  # nethermind
    ("Upfront cost exceeds account balance", SendResult.INSUFFICIENT_FUNDS),  # besu
    ("intrinsic gas too low", SendResult.UNKNOWN),
    ("exceeds block gas limit", SendResult.UNKNOWN),
    ("invalid sender", SendResult.UNKNOWN),
    ("internal error", SendResult.UNKNOWN),
    ("", SendResult.UNKNOWN),
]


@pytest.mark.parametrize(("words", "meaning"), WORDS)
def test_nodes_words_have_one_meaning(words: str, meaning: SendResult) -> None:
    assert meaning_of(words) is meaning


def test_of_several_answers_the_one_that_says_most_counts() -> None:
    unknown, low, taken = (SendResult.UNKNOWN, "a"), (SendResult.NONCE_TOO_LOW, "b"), (SendResult.ACCEPTED, "")
    assert best([unknown, low, taken]) == taken
    assert best([unknown, low]) == low
    assert best([unknown]) == unknown


async def test_the_real_node_here_is_understood(
    chain: JsonRpcChain, levers: DevelopmentChain, make_request: Callable[..., TransactionRequest]
) -> None:
    await levers.set_automine(enabled=False)
    rich, poor = DevelopmentSigner(DEVELOPMENT_KEYS[0]), DevelopmentSigner(b"\x07" * 32)

    async def send(signer: DevelopmentSigner, **changes: object) -> SendResult:
        signed = signer.sign(make_request(**{"to": rich.address, "gas": 30_000} | changes))
        [(result, _)] = await chain.send([signed.raw])
        return result

    cheaper = Fees(max_fee_per_gas=9 * 10**9, max_priority_fee_per_gas=10**8)
    below_base = Fees(max_fee_per_gas=1, max_priority_fee_per_gas=0)
    assert await send(rich) is SendResult.ACCEPTED
    assert await send(rich) is SendResult.ALREADY_KNOWN
    assert await send(rich, fees=cheaper) is SendResult.REPLACEMENT_UNDERPRICED
    assert await send(poor) is SendResult.INSUFFICIENT_FUNDS
    assert await send(rich, nonce=1, fees=below_base) in (SendResult.FEE_CAP_TOO_LOW, SendResult.ACCEPTED)
    await levers.mine()
    assert await send(rich) is SendResult.NONCE_TOO_LOW
    assert await send(rich, chain_id=5) is SendResult.UNKNOWN
