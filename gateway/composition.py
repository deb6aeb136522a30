"""Builds what a process stands on from the settings: books, chains, signers. Used by entry points only.

The one place where adapters with I/O are made. Nothing here decides anything about payments.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from types import MappingProxyType
from typing import Final

from chain.administration import are_operators, are_tokens_allowed
from chain.artifacts import verify_deployment
from chain.checksum import checksum
from chain.errors import ArtifactInvalid, ChainError, WrongChain
from chain.json_rpc import JsonRpcChain
from chain.local_node import DevelopmentChain
from chain.primitives import Address, BlockTag, address
from chain.signer import DevelopmentSigner, KeystoreSigner, PolicySigner, Signer, SigningPolicy
from gateway import config as settings
from gateway.config import Config, ConfigInvalid
from gateway.db import migrate
from gateway.db.engine import Books
from gateway.domain.dunning import OnRetriesExhausted, RetryPolicy
from gateway.domain.errors import InvalidRequest
from gateway.domain.money import Token, currency
from gateway.services.gateway import Gateway, MailPolicy, Network
from gateway.startup import Facts, problems_of_facts, problems_of_settings

RECURSION_LIMIT: Final = 1000
"""Python's own. py_ecc, which the Ethereum libraries import, raises it to 100,000: then a deeply nested JSON document
from outside overflows the C stack and kills the process, where otherwise decoding it fails."""

sys.setrecursionlimit(RECURSION_LIMIT)

GAS_PER_TRANSACTION_MAX: Final = 16_777_216
"""EIP-7825: no block takes a transaction with a higher limit."""

_GWEI: Final = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Everything that a process stands on. `local_chains` are the development chains whose clock may be moved."""

    config: Config
    gateway: Gateway
    chains: Mapping[int, JsonRpcChain]
    local_chains: Mapping[int, DevelopmentChain]
    signers: Mapping[int, tuple[PolicySigner, ...]]


def gateway_of(config: Config) -> Gateway:
    """The configured chains and tokens over the books; connects to nothing.

    Raises:
        ConfigInvalid: an address, a currency or the retry schedule is not one.
    """
    try:
        networks = {chain.chain_id: _network(chain) for chain in config.chains}
        tokens = [_token(token) for token in config.tokens]
        retry = RetryPolicy(days=config.retry.days, on_exhausted=OnRetriesExhausted(config.retry.on_exhausted))
    except (ValueError, InvalidRequest) as error:
        raise ConfigInvalid(f"settings: {error}") from None
    return Gateway(
        books=Books.open(config.database_url.reveal()),
        networks=MappingProxyType(networks),
        tokens=MappingProxyType({(token.chain_id, token.address): token for token in tokens}),
        public_url=config.public_url.rstrip("/"),
        finalization_delay=timedelta(seconds=config.billing.finalization_delay_seconds),
        retry_policy=retry,
        mail=None if config.mail is None else _mail_policy(config.mail),
    )


@asynccontextmanager
async def opened(config: Config, *, with_signers: bool = False) -> AsyncIterator[House]:
    """Build everything, and give it back at the end.

    Args:
        config: settings of the installation.
        with_signers: also open the keys that pay gas. Only a worker needs them, so only a worker gets them.

    Raises:
        ConfigInvalid: a setting names something that is none.
        KeystoreInvalid: a key could not be opened.
    """
    gateway = gateway_of(config)
    chains = {
        chain.chain_id: JsonRpcChain([url.reveal() for url in chain.rpc_urls], chain_id=chain.chain_id)
        for chain in config.chains
    }
    local_chains = {
        chain.chain_id: DevelopmentChain(chain.rpc_urls[0].reveal(), chain_id=chain.chain_id)
        for chain in config.chains
        if chain.local
    }
    try:
        signers = await asyncio.to_thread(signers_of, config) if with_signers else {}
        yield House(
            config=config,
            gateway=gateway,
            chains=MappingProxyType(chains),
            local_chains=MappingProxyType(local_chains),
            signers=MappingProxyType(signers),
        )
    finally:
        for chain in chains.values():
            await chain.close()
        for local in local_chains.values():
            await local.close()
        await gateway.books.close()


def signers_of(config: Config) -> dict[int, tuple[PolicySigner, ...]]:
    """Open every key, each under the policy of its chain. Slow: a keystore takes about a second.

    Raises:
        ConfigInvalid: a keystore has no password.
        KeystoreInvalid: a file is missing, or its password is another one.
    """
    chains = {chain.chain_id: chain for chain in config.chains}
    by_chain = groupby(sorted(config.signers, key=lambda s: s.chain_id), key=lambda s: s.chain_id)
    return {
        chain_id: tuple(PolicySigner(_key(signer), _policy(chains[chain_id])) for signer in signers)
        for chain_id, signers in by_chain
    }


async def startup_problems(house: House) -> list[str]:
    """Everything for which this process should not start (TRUST S7); empty when it may.

    An endpoint that does not answer is no reason: it may come back, and its chain is checked at every call anyway.
    """
    return problems_of_settings(house.config) + problems_of_facts(house.config, await facts_of(house))


async def facts_of(house: House) -> Facts:
    """What is out there: schema, chains, our contract's code, and what its owner lets our signers and tokens do."""
    chain_ids: dict[int, int] = {}
    faults: dict[int, str] = {}
    idle: dict[int, tuple[str, ...]] = {}
    forbidden: dict[int, tuple[str, ...]] = {}
    for chain_id, chain in house.chains.items():
        contract = house.gateway.networks[chain_id].contract
        try:
            await verify_deployment(chain, contract)
            chain_ids[chain_id] = chain_id
            signers = [signer.address for signer in house.signers.get(chain_id, ())]
            tokens = [token.address for token in house.gateway.tokens.values() if token.chain_id == chain_id]
            idle[chain_id] = _refused(signers, await are_operators(chain, contract, signers))
            forbidden[chain_id] = _refused(tokens, await are_tokens_allowed(chain, contract, tokens))
        except WrongChain as error:
            chain_ids[chain_id] = error.found
        except ArtifactInvalid as error:
            chain_ids[chain_id], faults[chain_id] = chain_id, str(error)
        except ChainError:
            continue
    return Facts(
        schema=await migrate.current(house.config.database_url.reveal()),
        expected_schema=migrate.head(),
        chain_ids=chain_ids,
        contract_faults=faults,
        signer_accounts={chain_id: tuple(s.address for s in signers) for chain_id, signers in house.signers.items()},
        idle_signers=idle,
        forbidden_tokens=forbidden,
    )


def _refused(accounts: list[Address], allowed: list[bool]) -> tuple[str, ...]:
    return tuple(checksum(account) for account, yes in zip(accounts, allowed, strict=True) if not yes)


def _network(chain: settings.Chain) -> Network:
    return Network(
        chain_id=chain.chain_id,
        name=chain.name,
        contract=address(chain.contract),
        livemode=chain.livemode,
        confirmations=chain.confirmations,
        arrears=chain.arrears,
        fee_cap=chain.max_fee_gwei * _GWEI,
        is_local=chain.local,
        start_block=chain.start_block,
        tip=chain.tip_gwei * _GWEI,
        explorer_url=chain.explorer_url,
        final_tag=None if chain.final_tag is None else BlockTag(chain.final_tag),
    )


def _mail_policy(mail: settings.Mail) -> MailPolicy:
    return MailPolicy(sender=mail.sender, in_test_mode=mail.test_mode or mail.folder is not None)


def _token(token: settings.Token) -> Token:
    return Token(
        chain_id=token.chain_id,
        address=address(token.address),
        symbol=token.symbol,
        decimals=token.decimals,
        currency=currency(token.currency),
        permit_name=token.permit_name,
        permit_version=token.permit_version,
    )


def _policy(chain: settings.Chain) -> SigningPolicy:
    contract: Address = address(chain.contract)
    return SigningPolicy(
        chain_id=chain.chain_id,
        contracts=frozenset({contract}),
        max_fee_per_gas=chain.max_fee_gwei * _GWEI,
        max_gas=GAS_PER_TRANSACTION_MAX,
    )


def _key(signer: settings.Signer) -> Signer:
    if signer.development_key is not None:
        return DevelopmentSigner(signer.development_key.reveal())
    if signer.keystore is None or signer.keystore_password is None:
        raise ConfigInvalid(
            f"signers: the keystore of chain {signer.chain_id} has no password; give keystore_password_file, or "
            "DUES_SIGNERS__0__KEYSTORE_PASSWORD in the environment (counted from 0)"
        )
    return KeystoreSigner(signer.keystore, signer.keystore_password.reveal())
