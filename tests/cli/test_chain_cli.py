"""`dues chain` and `dues audit` as an operator meets them: a folder, a real node, halted or tampered books."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path

import pytest

from chain.json_rpc import JsonRpcChain
from chain.local_node import LOCAL_CHAIN_ID, LocalNode
from chain.primitives import Address
from chain.signer import DevelopmentSigner
from chain.stage import set_stage
from gateway.db import blocks, transactions
from gateway.db.engine import Books, Connection
from gateway.domain.charge import Status as ChargeStatus
from tests import factories as f
from tests.cli.desk import Desk
from tests.keeping import keep, keep_merchant

SIGNER = DevelopmentSigner("0x" + "0a" * 32).address


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with LocalNode.start() as node:
        made = Desk(tmp_path, node)
        made.configure(_contract(node))
        assert made.dues("migrate").returncode == 0
        yield made


def _contract(node: LocalNode) -> Address:
    async def stage() -> Address:
        async with JsonRpcChain([node.url], chain_id=LOCAL_CHAIN_ID) as chain:
            return (await asyncio.to_thread(set_stage, node.url, chain)).contract

    return asyncio.run(stage())


Work = Callable[[Connection], Coroutine[None, None, None]]


def write(desk: Desk, work: Work) -> None:
    """Change the books of the folder."""

    async def run() -> None:
        books = Books.open(f"sqlite:///{desk.folder / 'dues.db'}")
        try:
            async with books.write() as conn:
                await work(conn)
        finally:
            await books.close()

    asyncio.run(run())


def indexed(desk: Desk) -> Work:
    """The index stands on the node's own block 1, which is final."""

    async def work(conn: Connection) -> None:
        async with JsonRpcChain([desk.node.url], chain_id=LOCAL_CHAIN_ID) as chain:
            headers = [header for header in await chain.headers([0, 1]) if header is not None]
        await blocks.append(conn, LOCAL_CHAIN_ID, headers, [])
        await blocks.set_final(conn, LOCAL_CHAIN_ID, 1)

    return work


def halted(desk: Desk) -> Work:
    """The same, with reasons to stop for the chain and for a lane."""

    async def work(conn: Connection) -> None:
        await indexed(desk)(conn)
        await _halt(conn)

    return work


async def _halt(conn: Connection) -> None:
    await blocks.halt(conn, LOCAL_CHAIN_ID, "block 1 was final with another hash")
    await transactions.open_lane(conn, LOCAL_CHAIN_ID, SIGNER, 3)
    await transactions.halt_lane(conn, LOCAL_CHAIN_ID, SIGNER, "nonce 2 was used by a transaction that is not ours")


def test_status_of_a_chain_that_is_not_followed_yet(desk: Desk) -> None:
    shown = desk.dues("chain", "status")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("chain 31337: indexed nothing, final none, node at block ")


def test_status_names_what_is_halted_and_why(desk: Desk) -> None:
    write(desk, halted(desk))
    shown = desk.dues("chain", "status")
    assert shown.returncode == 1
    assert "halted: block 1 was final with another hash" in shown.stdout
    assert "halted: nonce 2 was used by a transaction that is not ours" in shown.stdout
    assert shown.stderr == "dues: 2 halted: look into it, then `dues chain resume`\n"


def test_status_for_machines(desk: Desk) -> None:
    write(desk, halted(desk))
    (chain,) = json.loads(desk.dues("chain", "status", "--json").stdout)
    assert (chain["indexed"], chain["final"], chain["halted"]) == (1, 1, "block 1 was final with another hash")
    assert chain["lanes"][0]["next_nonce"] == 3


def test_status_shows_the_books_when_the_node_is_away(desk: Desk) -> None:
    write(desk, indexed(desk))
    desk.node.stop()
    shown = desk.dues("chain", "status")
    assert shown.stdout.startswith("chain 31337: indexed block 1, final 1, node at no answer (")


def test_resume_takes_every_halt_of_the_chain_back(desk: Desk) -> None:
    write(desk, halted(desk))
    resumed = desk.dues("chain", "resume", "31337", "--yes")
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert resumed.stdout.endswith("chain 31337 goes on\n")
    assert desk.dues("chain", "status").returncode == 0


def test_resume_asks_and_changes_nothing_when_nobody_is_there(desk: Desk) -> None:
    write(desk, halted(desk))
    refused = desk.dues("chain", "resume", "31337")
    assert refused.returncode == 1
    assert refused.stderr.startswith("dues: nobody is there to be asked: pass --yes")
    assert desk.dues("chain", "status").returncode == 1


def test_resume_refuses_where_none_of_the_blocks_we_know_is_left(desk: Desk) -> None:
    async def another_chain(conn: Connection) -> None:
        await blocks.append(conn, LOCAL_CHAIN_ID, [f.header(0), f.header(1)], [])
        await blocks.set_final(conn, LOCAL_CHAIN_ID, 1)
        await _halt(conn)

    write(desk, another_chain)
    refused = desk.dues("chain", "resume", "31337", "--yes")
    assert refused.returncode == 1
    assert "restore the database from a backup" in refused.stderr
    assert desk.dues("chain", "status").returncode == 1


def test_resume_of_what_is_not_halted_says_so(desk: Desk) -> None:
    assert desk.dues("chain", "resume", "31337", "--yes").stdout == "nothing of chain 31337 is halted\n"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("chain", "resume", "1", "--yes"), "dues: CHAIN_ID: 1 is not configured (configured: 31337)\n"),
        (("audit", "--chain", "1"), "dues: --chain: 1 is not configured (configured: 31337)\n"),
    ],
)
def test_a_chain_that_is_not_configured_is_one_precise_error(
    desk: Desk, words: tuple[str, ...], complaint: str
) -> None:
    refused = desk.dues(*words)
    assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", complaint)


def test_an_audit_of_books_that_agree(desk: Desk) -> None:
    write(desk, indexed(desk))
    audited = desk.dues("audit")
    assert audited.returncode == 0
    assert audited.stdout == "0 collections in 2 blocks, 0 differences\n"


def test_an_audit_names_every_difference_and_ends_with_status_1(desk: Desk) -> None:
    async def tampered(conn: Connection) -> None:
        await indexed(desk)(conn)
        await keep_merchant(conn)
        charge = f.charge(
            status=ChargeStatus.SUCCEEDED, transaction_hash=f.some_hash(1), block_number=1, log_index=4,
            chain_id=LOCAL_CHAIN_ID,
        )  # fmt: skip
        await keep(conn, f.mandate(), f.subscription(), f.invoice(), f.charge_intent(), charge)

    write(desk, tampered)
    audited = desk.dues("audit")
    assert audited.returncode == 1
    assert audited.stdout.startswith(f"orphan: object {f.charge().id}, chain_id 31337, ")
    assert audited.stderr.endswith("dues: 1 differences between books and chain: nothing was changed\n")
    (found,) = json.loads(desk.dues("audit", "--json").stdout)["differences"]
    assert (found["finding"], found["object"], found["block"]) == ("orphan", f.charge().id, 1)
