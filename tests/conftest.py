"""Fixtures that all tests share; each lives in a module of `tests.fixtures`."""

pytest_plugins = [
    "tests.fixtures.postgres",
    "tests.fixtures.books",
    "tests.fixtures.redis",
    "tests.fixtures.canaries",
]
