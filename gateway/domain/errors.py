"""Errors of the business rules: each says what is wrong, where, and what to do.

They know nothing of HTTP; `gateway.api.problems` gives each class its status.
"""


class DomainError(Exception):
    """A rule was broken by a request. Nothing has been changed.

    Attributes:
        code: stable machine-readable name of the rule.
        param: path of the request field at fault, in the bracket form of the wire, if there is one.
    """

    def __init__(self, message: str, *, code: str, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param


class InvalidRequest(DomainError):
    """The request contradicts a rule or itself."""


class NotFound(DomainError):
    """There is no such object in the caller's account and mode."""

    def __init__(self, kind: str, object_id: str, *, param: str | None = None) -> None:
        super().__init__(f"No such {kind}: '{object_id}'", code="resource_missing", param=param)


class Conflict(DomainError):
    """The object is busy with something that must end first."""


class PaymentFailed(DomainError):
    """A payment that was asked for now did not succeed.

    Attributes:
        decline_code: the failure code of PRODUCT's table, such as `insufficient_allowance`.
    """

    def __init__(self, message: str, *, decline_code: str, param: str | None = None) -> None:
        super().__init__(message, code="charge_failed", param=param)
        self.decline_code = decline_code


class IllegalTransition(DomainError):
    """A status machine has no such move."""

    def __init__(self, kind: str, object_id: str, source: str, target: str) -> None:
        super().__init__(
            f"{kind} '{object_id}' is {source} and cannot become {target}",
            code=f"{kind}_unexpected_state",
        )
        self.source = source
        self.target = target
