"""Our contract and a USDC-like token on a local node, with an owner, an operator and a payer: for tests and trials."""

from dataclasses import dataclass

from chain.eip712 import mandate_digest
from chain.local_node import DEVELOPMENT_KEYS, LOCAL_CHAIN_ID
from chain.port import ChainPort
from chain.primitives import Address, MandateTerms
from chain.signer import DevelopmentSigner
from chain.wallet import Wallet


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What was deployed, and who can act; all three accounts have gas. The payer has no tokens yet."""

    contract: Address
    token: Address
    owner: Wallet
    operator: Wallet
    payer: Wallet
    payer_key: DevelopmentSigner

    def sign(self, terms: MandateTerms) -> bytes:
        """The payer's signature of a mandate."""
        return self.payer_key.sign_digest(mandate_digest(terms, self.payer.chain.chain_id, self.contract))


def set_stage(url: str, chain: ChainPort, *, chain_id: int = LOCAL_CHAIN_ID) -> Stage:
    """Deploy with anvil's first account, let the second operate, and allow the token; blocking, about 0.2 s.

    Raises:
        ChainError: as `chain.deploy.Administrator`.
    """
    from chain.deploy import Administrator, account_from_key  # noqa: PLC0415  (imports web3)

    owner, operator, payer = (DevelopmentSigner(key) for key in DEVELOPMENT_KEYS[:3])
    administrator = Administrator(url, account_from_key(DEVELOPMENT_KEYS[0]), chain_id=chain_id)
    contract = administrator.deploy_mandates()
    token = administrator.deploy("TestUSDC")
    administrator.set_operator(contract, operator.address)
    administrator.allow_token(contract, token)
    administrator.close()
    return Stage(
        contract=contract,
        token=token,
        owner=Wallet(chain, owner),
        operator=Wallet(chain, operator),
        payer=Wallet(chain, payer),
        payer_key=payer,
    )
