"""The one place where nodes' words about `eth_sendRawTransaction` get a meaning. Nothing else tells errors by text.

JSON-RPC gives no codes for these (almost all are -32000), so the words are all there is. The order matters: the first
fragment found decides. The comments name the node that words it so; anvil's own words are tested against anvil, the
others are collected from reports of them, so an unknown wording is possible and means `UNKNOWN`, which is safe.
"""

from typing import Final

from chain.primitives import SendResult

_FRAGMENTS: Final = (
    # already in the pool or in a block: success
    ("already known", SendResult.ALREADY_KNOWN),  # geth, erigon, besu, nethermind ("AlreadyKnown" below)
    ("alreadyknown", SendResult.ALREADY_KNOWN),  # nethermind
    ("already_known", SendResult.ALREADY_KNOWN),
    ("known transaction", SendResult.ALREADY_KNOWN),  # old geth, besu
    ("already imported", SendResult.ALREADY_KNOWN),  # anvil, parity
    ("already in mempool", SendResult.ALREADY_KNOWN),
    ("transaction already exists", SendResult.ALREADY_KNOWN),
    # a pool that holds a dearer transaction at this nonce
    ("replacement transaction underpriced", SendResult.REPLACEMENT_UNDERPRICED),  # geth, reth, anvil
    ("replacementnotallowed", SendResult.REPLACEMENT_UNDERPRICED),  # nethermind
    ("replacement not allowed", SendResult.REPLACEMENT_UNDERPRICED),  # nethermind
    ("could not replace existing tx", SendResult.REPLACEMENT_UNDERPRICED),  # erigon
    ("underpriced replacement", SendResult.REPLACEMENT_UNDERPRICED),  # besu
    ("replacement underpriced", SendResult.REPLACEMENT_UNDERPRICED),
    ("replacement fee too low", SendResult.REPLACEMENT_UNDERPRICED),
    ("too low to replace", SendResult.REPLACEMENT_UNDERPRICED),
    # nonces
    ("nonce too low", SendResult.NONCE_TOO_LOW),  # geth, reth, anvil, erigon
    ("nonce is too low", SendResult.NONCE_TOO_LOW),
    ("oldnonce", SendResult.NONCE_TOO_LOW),  # nethermind
    ("nonce below", SendResult.NONCE_TOO_LOW),  # besu: "transaction nonce … below sender account nonce"
    ("below sender account nonce", SendResult.NONCE_TOO_LOW),
    ("nonce too high", SendResult.NONCE_TOO_HIGH),
    ("noncegap", SendResult.NONCE_TOO_HIGH),  # nethermind
    ("nonce gap", SendResult.NONCE_TOO_HIGH),
    ("nonce too distant", SendResult.NONCE_TOO_HIGH),  # besu
    ("above account nonce", SendResult.NONCE_TOO_HIGH),
    ("gapped-nonce", SendResult.NONCE_TOO_HIGH),  # geth: "gapped-nonce tx from delegated accounts"
    # fees
    ("max fee per gas less than block base fee", SendResult.FEE_CAP_TOO_LOW),  # geth, anvil
    ("max fee per gas", SendResult.FEE_CAP_TOO_LOW),  # "tip higher than max fee per gas" is a bug that a bump repairs
    ("less than block base fee", SendResult.FEE_CAP_TOO_LOW),
    ("fee cap less than", SendResult.FEE_CAP_TOO_LOW),
    ("fee too low", SendResult.FEE_CAP_TOO_LOW),  # erigon: "fee too low"; nethermind: "FeeTooLow"
    ("feetoolow", SendResult.FEE_CAP_TOO_LOW),
    ("gas price below", SendResult.FEE_CAP_TOO_LOW),  # besu: "gas price below configured minimum gas price"
    ("transaction underpriced", SendResult.FEE_CAP_TOO_LOW),  # geth, reth: below the pool's own minimum
    ("gas tip cap", SendResult.FEE_CAP_TOO_LOW),
    ("underpriced", SendResult.FEE_CAP_TOO_LOW),
    # money
    ("insufficient funds", SendResult.INSUFFICIENT_FUNDS),  # geth, reth, anvil, erigon
    ("insufficientfunds", SendResult.INSUFFICIENT_FUNDS),  # nethermind
    ("upfront cost exceeds", SendResult.INSUFFICIENT_FUNDS),  # besu
)

TEXT_MAX: Final = 300
"""Most characters of a node's words that are kept."""


def meaning_of(message: str) -> SendResult:
    """What a node's error message about a raw transaction means; `UNKNOWN` when in doubt, which changes no state."""
    words = message.lower()
    return next((result for fragment, result in _FRAGMENTS if fragment in words), SendResult.UNKNOWN)


_RANK: Final = {
    result: rank
    for rank, result in enumerate(
        (
            SendResult.ACCEPTED,
            SendResult.ALREADY_KNOWN,
            SendResult.NONCE_TOO_LOW,
            SendResult.REPLACEMENT_UNDERPRICED,
            SendResult.FEE_CAP_TOO_LOW,
            SendResult.INSUFFICIENT_FUNDS,
            SendResult.NONCE_TOO_HIGH,
            SendResult.UNKNOWN,
        )
    )
}


def best(answers: list[tuple[SendResult, str]]) -> tuple[SendResult, str]:
    """The answer of several endpoints to the same bytes that says most: one success is a success.

    Raises:
        ValueError: no answer.
    """
    return min(answers, key=lambda answer: _RANK[answer[0]])
