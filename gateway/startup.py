"""What an installation refuses to start with (TRUST S7). Pure: settings and facts in, sentences out.

All problems are found at once, so that an operator does not meet them one restart after the other. Facts that need a
connection (schema, chain id, code) are gathered by `gateway.composition`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from gateway.config import Config

PEPPER_LENGTH_MIN: Final = 32
"""Characters: 128 bits as hex."""

_KNOWN_SECRETS: Final = frozenset(
    {"", "dues", "postgres", "password", "secret", "change-me", "changeme", "development", "test", "admin", "example"}
)
_DEVELOPMENT_ACCOUNTS: Final = frozenset(
    {
        # The accounts of the mnemonic "test test … junk", which every development node funds: their keys are public.
        "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266",
        "0x70997970c51812dc3a010c7d01b50e0d17dc79c8",
        "0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc",
        "0x90f79bf6eb2c4f870365e785982e1f101e93b906",
        "0x15d34aaf54267db7d7c367839aaf71a00a2c6a65",
        "0x9965507d1a55bcc2695c58ba16fb37d819b0a4dc",
        "0x976ea74026e726554db657fa54763abd0c3a0aa9",
        "0x14dc79964da2c08b23698b3d3cc7ca32193d9955",
        "0x23618e81e3f5cdf7f54c3d65f7fbc0abf5b21e8f",
        "0xa0ee7a142d267c1f36714e4a8f75612f20a79720",
    }
)
_THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_DEVELOPMENT_CHAINS: Final = frozenset({1337, 31337})


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was found out there.

    Attributes:
        schema: revision of the database, None when it is empty.
        expected_schema: revision that this version of Dues was written for.
        chain_ids: what the endpoints of each configured chain say they serve; absent when none answered.
        contract_faults: what is wrong with the code at the configured address, by chain; absent when it is ours, or
            when nobody answered.
        signer_accounts: accounts whose keys were opened, by chain.
        idle_signers: those of them that the contract does not let charge.
        forbidden_tokens: configured tokens that new mandates may not name.
    """

    schema: str | None
    expected_schema: str
    chain_ids: Mapping[int, int] = field(default_factory=dict)
    contract_faults: Mapping[int, str] = field(default_factory=dict)
    signer_accounts: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    idle_signers: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    forbidden_tokens: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


def problems_of_settings(config: Config) -> list[str]:
    """What live mode refuses in the settings themselves; empty in test mode, except for live chains."""
    if config.mode == "test":
        return [
            f"chains: chain {chain.chain_id} ({chain.name}) has livemode = true, but mode is 'test'; set mode = 'live'"
            for chain in config.chains
            if chain.livemode
        ]
    found: list[str] = []
    if config.debug:
        found.append("debug: must be false in live mode; it shows internals to callers")
    if config.allow_private_webhooks:
        found.append("allow_private_webhooks: must be false in live mode; it opens the inner network to requests")
    if not config.public_url.startswith("https://"):
        found.append(
            f"public_url: must begin with https:// in live mode, not {config.public_url.partition('://')[0]}://"
        )
    if _is_default(config.pepper.reveal()) or len(config.pepper.reveal()) < PEPPER_LENGTH_MIN:
        found.append(
            f"pepper: needs at least {PEPPER_LENGTH_MIN} random characters; make one with `openssl rand -hex 32`"
        )
    for name, url in (("database_url", config.database_url.reveal()), ("redis_url", config.redis_url.reveal())):
        password = urlsplit(url).password
        if password is not None and _is_default(unquote(password)):
            found.append(f"{name}: its password is a well-known default; choose another one")
    return found + _mail_problems(config) + _chain_problems(config) + _signer_problems(config)


def problems_of_facts(config: Config, facts: Facts) -> list[str]:
    """What contradicts the settings out there; the signers' accounts only matter in live mode."""
    found: list[str] = []
    if facts.schema != facts.expected_schema:
        found.append(
            f"database: its schema is {facts.schema or 'empty'}, this version needs {facts.expected_schema}; "
            "run `dues migrate`"
        )
    for chain in config.chains:
        served = facts.chain_ids.get(chain.chain_id)
        if served is not None and served != chain.chain_id:
            found.append(f"chains: the endpoint of chain {chain.chain_id} ({chain.name}) serves chain {served}")
        elif fault := facts.contract_faults.get(chain.chain_id):
            found.append(
                f"chains: {fault}; deploy this version's with `dues contract deploy`, or correct `contract` of "
                f"chain {chain.chain_id} ({chain.name})"
            )
    found += [
        f"signers: {account} may not charge on chain {chain_id}; the contract's owner lets it with "
        f"`dues contract operators add {account}`"
        for chain_id, accounts in facts.idle_signers.items()
        for account in accounts
    ]
    if config.mode == "live":
        found += [
            f"signers: {account} on chain {chain_id} is a public development account; anybody can empty it"
            for chain_id, accounts in facts.signer_accounts.items()
            for account in accounts
            if account.lower() in _DEVELOPMENT_ACCOUNTS
        ]
    return found


def warnings_of_facts(facts: Facts) -> list[str]:
    """What is worth knowing and stops no start: mandates of a token that is no longer allowed are still collected."""
    return [
        f"tokens: {token} is not allowed on chain {chain_id}: nobody can subscribe with it; the contract's owner "
        f"allows it with `dues contract tokens add {token}`"
        for chain_id, tokens in facts.forbidden_tokens.items()
        for token in tokens
    ]


def _mail_problems(config: Config) -> list[str]:
    found = []
    if config.mail is not None and config.mail.folder is not None:
        found.append("mail.folder: not in live mode, nobody would get the mails; configure [smtp]")
    if config.smtp is not None and config.smtp.security == "none" and config.smtp.host not in _THIS_MACHINE:
        found.append("smtp.security: 'none' is for a server on this machine; use 'starttls' or 'tls'")
    if config.smtp is not None and config.smtp.password is not None and _is_default(config.smtp.password.reveal()):
        found.append("smtp.password: is a well-known default; choose another one")
    return found


def _chain_problems(config: Config) -> list[str]:
    found = [] if config.chains else ["chains: none is configured"]
    return found + [
        f"chains: chain {chain.chain_id} ({chain.name}) is a local development chain"
        for chain in config.chains
        if chain.local or chain.chain_id in _DEVELOPMENT_CHAINS
    ]


def _signer_problems(config: Config) -> list[str]:
    served = {signer.chain_id for signer in config.signers}
    found = [
        f"signers: none for chain {chain.chain_id} ({chain.name}); nothing could be collected there"
        for chain in config.chains
        if chain.chain_id not in served
    ]
    for i, signer in enumerate(config.signers):
        if signer.development_key is not None:
            found.append(f"signers[{i}].development_key: not allowed in live mode; use a keystore")
        elif signer.keystore_password is not None and _is_default(signer.keystore_password.reveal()):
            found.append(f"signers[{i}].keystore_password: is a well-known default; encrypt the keystore anew")
    return found


def _is_default(secret: str) -> bool:
    return secret.strip().lower() in _KNOWN_SECRETS or len(set(secret)) < 4  # noqa: PLR2004 - "aaaa" and the like
