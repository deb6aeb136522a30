"""docs/requirements.md says of every requirement which tests hold it; the names of the tests say it too."""

import pytest

from tests import requirements
from tests.requirements import PAGE, Row, ids_in, proofs, refreshed, rows, wanted

HINT = "run `make requirements`; the state of a row is written by hand"


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def found(page: str) -> list[Row]:
    return rows(page)


def test_every_requirement_has_one_row_in_its_order(found: list[Row]) -> None:
    assert [row.id for row in found] == wanted()


def test_a_state_is_one_of_four_and_what_is_missing_is_said(found: list[Row]) -> None:
    odd = [row for row in found if row.kind not in {"done", "late", "in part", "open"}]
    silent = [row.id for row in found if row.kind in {"in part", "open"} and not row.state.partition(": ")[2]]
    assert (odd, silent) == ([], [])


def test_what_is_done_has_a_test(found: list[Row]) -> None:
    known = proofs()
    assert [row.id for row in found if row.kind in {"done", "in part"} and not known.get(row.id)] == [], HINT


def test_what_is_open_has_none(found: list[Row]) -> None:
    known = proofs()
    assert [row.id for row in found if row.kind == "open" and known.get(row.id)] == [], HINT


def test_every_id_in_the_name_of_a_test_is_a_requirement() -> None:
    unknown = {test for identifier, named in proofs().items() if identifier not in wanted() for test in named}
    assert unknown == set()


def test_every_id_is_spelled_in_one_way() -> None:
    assert requirements.misspelled() == []


def test_every_test_that_is_named_exists(found: list[Row]) -> None:
    known = {f"{file}::{name}" for file, name in requirements.tests()}
    assert {test for row in found for test in row.tests} - known == set(), HINT


def test_the_page_is_what_the_names_of_the_tests_say(page: str) -> None:
    assert page == refreshed(page), HINT


def test_ids_are_read_from_names() -> None:
    assert ids_in("test_PM_08_PM_10_a_start_day") == ["PM-08", "PM-10"]
    assert ids_in("test_SX_04_C13_one_try") == ["SX-04", "C13"]
    assert ids_in("test_a_class_C2_and_ST_7") == []
