"""What can go wrong with the books, in our own classes: callers need not know the driver."""


class BooksError(Exception):
    """Something went wrong between the code and its database. A transaction that raises it has changed nothing."""


class BooksUnavailable(BooksError):
    """The database cannot be opened or went away. Trying again later is safe."""


class WriteConflict(BooksError):
    """Another writer was faster, or held a lock too long. The same work, begun again from its reads, may succeed."""


class ConstraintBroken(BooksError):
    """A rule of the schema refused the write, such as a second charge intent for one period.

    Attributes:
        constraint: name of the index or constraint as in `gateway.db.tables`; empty where the database does not say.
    """

    def __init__(self, message: str, constraint: str) -> None:
        super().__init__(message)
        self.constraint = constraint


class SchemaOutdated(BooksError):
    """The database was made for another version of the code.

    Attributes:
        found: revision of the database; None when it is empty.
        expected: revision that the code needs.
    """

    def __init__(self, found: str | None, expected: str) -> None:
        state = "has no tables yet" if found is None else f"is at schema {found}"
        super().__init__(f"The database {state}, the code needs {expected}. Run: dues migrate")
        self.found = found
        self.expected = expected


class LeaseLost(BooksError):
    """The lane belongs to another worker by now: what was prepared for it must be thrown away."""
