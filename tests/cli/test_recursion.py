"""Entry points keep Python's recursion limit: a deeply nested document is refused, it does not kill the process."""

import subprocess
import sys

NESTED = """
import msgspec
import gateway.composition
try:
    msgspec.json.decode(b"[" * 200_000)
except RecursionError:
    print("refused")
"""


def test_a_deeply_nested_document_is_refused_after_the_ethereum_libraries_were_imported() -> None:
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", NESTED], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout.strip()) == (0, "refused")
