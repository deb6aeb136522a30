"""The query language of searches: what reads as what, and where it says that it cannot be read."""

import pytest

from gateway.domain.errors import InvalidRequest
from gateway.domain.search import CLAUSES_MAX, Clause, FieldKind, Operator, Query, parse

FIELDS = {
    "name": FieldKind.TEXT,
    "status": FieldKind.TOKEN,
    "amount": FieldKind.NUMBER,
    "created": FieldKind.MOMENT,
    "active": FieldKind.FLAG,
    "metadata": FieldKind.TOKEN,
}
IS = Operator.IS


def clause(field: str, value: object, operator: Operator = IS, **more: object) -> Clause:
    return Clause(field=field, operator=operator, value=value, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ('name:"Ada"', [clause("name", "ada")]),
        ("name:'Ada O\\'Hara'", [clause("name", "ada o'hara")]),
        (r'name:"a \"quoted\" word \\"', [clause("name", r'a "quoted" word ' + "\\")]),
        ('name~"ada"', [clause("name", "ada", Operator.CONTAINS)]),
        ('-name~"ADA"', [clause("name", "ada", Operator.CONTAINS, negated=True)]),
        ("name:null", [clause("name", None)]),
        ('-metadata["plan"]:null', [clause("metadata", None, key="plan", negated=True)]),
        ('metadata["Plan Name"]:"Gold"', [clause("metadata", "gold", key="Plan Name")]),
        ("amount>=100", [clause("amount", 100, Operator.AT_LEAST)]),
        ('amount<"-5"', [clause("amount", -5, Operator.BELOW)]),
        ("active:'true'", [clause("active", True)]),
        ("active:false", [clause("active", False)]),
        ('  created > 7   AND\tstatus : "x" ', [clause("created", 7, Operator.ABOVE), clause("status", "x")]),
        ('amount<=1 status:"x"', [clause("amount", 1, Operator.AT_MOST), clause("status", "x")]),
        ('name:"AND" and name:"or"', [clause("name", "and"), clause("name", "or")]),
        ('name:"ÄÖ"', [clause("name", "ÄÖ")]),
    ],
)
def test_a_query_reads_as_its_clauses(text: str, clauses: list[Clause]) -> None:
    assert parse(text, FIELDS) == Query(clauses=tuple(clauses))


def test_or_holds_for_one_clause_and_or_in_any_case() -> None:
    found = parse('name:"a" or amount:1 OR active:true', FIELDS)
    assert (len(found.clauses), found.any_of) == (3, True)


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        (" ", 2, "a clause is expected"),
        ('name:"a" AND', 13, "a clause is expected"),
        ('name:"a" AND amount:1 OR amount:2', 23, "AND and OR cannot be mixed"),
        ('name:"a" OR amount:1 amount:2', 22, "AND and OR cannot be mixed"),
        ('nickname:"a"', 1, "'nickname' is no field that can be searched; there are active, amount, created"),
        ('(name:"a")', 1, "the name of a field is expected"),
        ("name", 5, "name is to be followed by one of : ~"),
        ('name>"a"', 5, "name cannot be compared with >, only with : ~"),
        ('status~"act"', 7, "status cannot be compared with ~, only with :"),
        ("name:Ada", 6, 'put the value in quotes, as in name:"Ada"'),
        ('name:"Ada', 6, "the quote is never closed"),
        ("name:", 6, "a value for name is missing"),
        ('name~"ad"', 6, "~ looks for at least 3 characters"),
        ("amount:1.5", 8, "amount is compared with an integer"),
        ("amount:99999999999999999999", 8, "amount is compared with an integer"),
        ("amount:9223372036854775808", 8, "amount is compared with an integer"),
        ("amount>null", 8, "null goes with : only"),
        ("active:yes", 8, "active is true or false"),
        ('metadata:"a"', 9, "metadata is to be followed by a key"),
        ('metadata[plan]:"a"', 10, "the key of metadata is to stand in quotes"),
        ('metadata["plan":"a"', 16, "] is missing"),
        (" ".join(["amount:1"] * (CLAUSES_MAX + 1)), 91, "at most 10 clauses"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(text: str, place: int, said: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse(text, FIELDS)
    assert refused.value.message.startswith(f"The search query cannot be read at position {place}: ")
    assert said in refused.value.message
    assert (refused.value.code, refused.value.param) == ("search_query_invalid", "query")
