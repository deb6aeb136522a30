"""R14: requests made from the OpenAPI document by schemathesis, against a whole API: no 5xx, nothing undocumented.

    make fuzz CASES=50000 SEED=7        other cases with each seed; a failure prints the request

Half of the cases follow the document and half contradict it. Ids are replaced by ids of objects that exist in every
other case, because invented ones never get past the first look-up.
"""

import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.api import openapi
from gateway.db import migrate
from gateway.db.engine import Books
from tests import factories as f
from tests.api import estate, matrix
from tests.api.desk import Desk

CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@dataclass
class Fuzz:
    """One API over one database, and what its answers were."""

    desk: Desk
    ids: Mapping[str, str]
    chance: random.Random
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    async def send(self, case: Any, places: Mapping[str, str]) -> httpx.Response:
        """Send a case with a good key."""
        words = case.as_transport_kwargs()
        headers = {name: value for name, value in words["headers"].items() if name.lower() != "authorization"}
        headers["Authorization"] = f"Bearer {self.desk.key}"
        url = words["url"]
        if self.chance.random() < 0.5:
            url = _real(case.path, self.ids, places)
        body = {name: words[name] for name in ("json", "data", "content") if words.get(name) is not None}
        if isinstance(body.get("json"), dict) and self.chance.random() < 0.5:
            body["json"] = _with_ids(body["json"], self.ids)
        if "data" in body and isinstance(body["data"], str | bytes):
            body["content"] = body.pop("data")
        return await self.desk.http.request(
            words["method"], url, params=words.get("params"), headers=_sendable(headers), **body
        )

    async def judge(self, case: Any, places: Mapping[str, str]) -> None:
        """Send a case and look at its answer."""
        try:
            answer = await self.send(case, places)
        except (httpx.InvalidURL, UnicodeEncodeError):
            self.statuses[0] += 1  # no client could send it
            return
        self.statuses[answer.status_code] += 1
        try:
            case.validate_response(answer, checks=CHECKS)
        except Exception as failure:  # noqa: BLE001 - whatever schemathesis finds is a finding
            self.wrong.append(f"{answer.request.method} {answer.request.url}\n{answer.request.content!r}\n{failure}")


def _sendable(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers that a client can send at all."""
    return {
        name: value for name, value in headers.items() if value.isascii() and value.isprintable() and name != "Cookie"
    }


def _real(path: str, ids: Mapping[str, str], places: Mapping[str, str]) -> str:
    for name, kind in places.items():
        path = path.replace(f"{{{name}}}", ids[kind])
    return path


def _with_ids(body: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    """The same body, its texts named after a kind of object replaced by ids of such."""
    return {
        name: ids[kind] if (kind := matrix.kind_of(name)) in ids and isinstance(value, str) else value
        for name, value in body.items()
    }


def operations() -> Iterator[tuple[Any, Mapping[str, str]]]:
    """What schemathesis knows of each operation, and which ids its path takes."""
    described = schemathesis.openapi.from_dict(openapi.document())
    for operation in matrix.operations():
        yield described[operation.path][operation.method.upper()], dict(operation.in_path)


def run(books_url: str, *, cases: int, seeds: int, step: int = 1, derandomize: bool = False) -> Fuzz:
    """Send so many cases, spread over all operations.

    Args:
        books_url: a migrated, empty database.
        cases: how many in all, at least two for each operation.
        step: try only every so-manieth operation.
        seeds: where the generator begins; the same seed makes the same cases.
        derandomize: leave even that to the code of the cases.
    """
    with asyncio.Runner() as runner:
        books = Books.open(books_url)
        opening = Desk.opened(books)
        desk = runner.run(opening.__aenter__())
        try:
            owner = runner.run(estate.build(desk, f.SCOPE, desk.key, 101))
            fuzz = Fuzz(desk, owner.ids, random.Random(seeds))  # noqa: S311 - not a secret
            every = list(operations())[::step]
            each = max(1, cases // (2 * len(every)))
            for operation, places in every:
                for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                    _of(operation, mode, places, fuzz, runner, each, seeds, derandomize=derandomize)
        finally:
            runner.run(opening.__aexit__(None, None, None))
            runner.run(books.close())
    return fuzz


def _of(  # noqa: PLR0917 - one call
    operation: Any,
    mode: GenerationMode,
    places: Mapping[str, str],
    fuzz: Fuzz,
    runner: asyncio.Runner,
    each: int,
    seeds: int,
    *,
    derandomize: bool,
) -> None:
    @settings(
        max_examples=each,
        deadline=None,
        database=None,
        derandomize=derandomize,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(mode))
    def judged(case: Any) -> None:
        runner.run(fuzz.judge(case, places))

    try:
        (judged if derandomize else seed(seeds)(judged))()
    except Exception as error:
        # Nothing can contradict a description that allows everything.
        if type(error).__name__ not in {"Unsatisfiable", "SkipTest"}:
            raise


def main(cases: int, seeds: int) -> int:
    """Print the figure of R14."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{Path(folder) / 'fuzz.db'}"
        asyncio.run(migrate.upgrade(url))
        fuzz = run(url, cases=cases, seeds=seeds)
    sent = sum(fuzz.statuses.values())
    broken = sum(count for status, count in fuzz.statuses.items() if status >= 500)
    for finding in fuzz.wrong[:20]:
        print(finding, file=sys.stderr)
    statuses = json.dumps(dict(sorted(fuzz.statuses.items())))
    print(
        f"R14: {sent:,} cases, {broken} x 5xx, {len(fuzz.wrong)} undocumented, seed {seeds}, "
        f"{time.monotonic() - started:.0f} s; answers by status: {statuses}"
    )
    return 1 if fuzz.wrong or broken else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000, int(sys.argv[2]) if len(sys.argv) > 2 else 1))
