from pathlib import Path

import msgspec
import pytest

from gateway.config import Api, Chain, Config, Secret, Signer
from gateway.startup import Facts, problems_of_facts, problems_of_settings, warnings_of_facts

PEPPER = Secret("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c")
CHAIN = Chain(
    chain_id=8453, name="base", rpc_urls=(Secret("https://rpc.example"),), contract="0x" + "a" * 40, livemode=True
)
LIVE = Config(
    mode="live",
    database_url=Secret("postgresql+asyncpg://dues:8s7df6s8d7f6@db/dues"),
    redis_url=Secret("redis://cache:6379/0"),
    public_url="https://pay.example",
    pepper=PEPPER,
    api=Api(),
    chains=(CHAIN,),
    signers=(Signer(chain_id=8453, keystore=Path("key.json"), keystore_password=Secret("wide open spaces")),),
)
FINE = Facts(
    schema="0001",
    expected_schema="0001",
    chain_ids={8453: 8453},
    signer_accounts={8453: ("0x" + "1" * 40,)},
)


def but(**changes: object) -> Config:
    return msgspec.structs.replace(LIVE, **changes)


def test_a_sound_live_installation_starts() -> None:
    assert problems_of_settings(LIVE) == []
    assert problems_of_facts(LIVE, FINE) == []


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (but(debug=True), "debug"),
        (but(allow_private_webhooks=True), "allow_private_webhooks"),
        (but(public_url="http://pay.example"), "public_url"),
        (but(pepper=Secret("change-me")), "pepper"),
        (but(pepper=Secret("a" * 64)), "pepper"),
        (but(pepper=Secret("short-Ab1")), "pepper"),
        (but(database_url=Secret("postgresql+asyncpg://dues:dues@db/dues")), "database_url"),
        (but(redis_url=Secret("redis://:password@cache:6379/0")), "redis_url"),
        (but(chains=()), "chains: none is configured"),
        (but(chains=(msgspec.structs.replace(CHAIN, local=True),)), "local development chain"),
        (but(chains=(msgspec.structs.replace(CHAIN, chain_id=31337),)), "local development chain"),
        (but(signers=()), "signers: none for chain 8453"),
        (but(signers=(Signer(chain_id=8453, development_key=Secret("0x01")),)), "development_key"),
        (
            but(signers=(Signer(chain_id=8453, keystore=Path("k"), keystore_password=Secret("password")),)),
            "keystore_password",
        ),
    ],
)
def test_live_mode_refuses_what_is_only_fit_for_development(config: Config, named: str) -> None:
    assert any(named in problem for problem in problems_of_settings(config))


@pytest.mark.parametrize(
    ("facts", "named"),
    [
        (Facts(schema="0000", expected_schema="0001"), "run `dues migrate`"),
        (Facts(schema=None, expected_schema="0001"), "its schema is empty"),
        (Facts(schema="0001", expected_schema="0001", chain_ids={8453: 1}), "serves chain 1"),
        (
            Facts(schema="0001", expected_schema="0001", contract_faults={8453: "no contract at 0xaa"}),
            "no contract at 0xaa; deploy this version's",
        ),
        (
            Facts(schema="0001", expected_schema="0001", idle_signers={8453: ("0x0b",)}),
            "0x0b may not charge on chain 8453; the contract's owner lets it with `dues contract operators add 0x0b`",
        ),
        (
            Facts(
                schema="0001",
                expected_schema="0001",
                signer_accounts={8453: ("0xF39Fd6e51aad88F6F4ce6aB8827279cffFb92266",)},
            ),
            "public development account",
        ),
    ],
)
def test_facts_that_contradict_the_settings_are_named(facts: Facts, named: str) -> None:
    assert any(named in problem for problem in problems_of_facts(LIVE, facts))


def test_a_token_that_the_owner_forbids_is_told_and_stops_nothing() -> None:
    """Mandates that name it are still collected."""
    facts = Facts(schema="0001", expected_schema="0001", forbidden_tokens={8453: ("0x70",)})
    assert problems_of_facts(LIVE, facts) == []
    [warning] = warnings_of_facts(facts)
    assert "`dues contract tokens add 0x70`" in warning


def test_all_problems_are_named_at_once() -> None:
    broken = but(debug=True, allow_private_webhooks=True, public_url="http://x", pepper=Secret("dues"), signers=())
    assert len(problems_of_settings(broken)) == 5


def test_test_mode_accepts_development_settings_but_no_chain_with_real_money() -> None:
    relaxed = but(mode="test", debug=True, pepper=Secret("dues"), chains=(), signers=())
    assert problems_of_settings(relaxed) == []
    [problem] = problems_of_settings(but(mode="test"))
    assert "livemode = true" in problem


def test_no_problem_repeats_a_secret() -> None:
    leaky = but(
        pepper=Secret("short-Ab1"),
        database_url=Secret("postgresql+asyncpg://dues:postgres@db/dues"),
        public_url="http://x",
    )
    assert not any(word in problem for problem in problems_of_settings(leaky) for word in ("short-Ab1", ":postgres@"))
