"""Settings of one installation: a TOML file, overridden by `DUES_…` variables; secrets also from files.

Only entry points and `gateway.composition` import this. What a setting means stands on its field; what a live
installation refuses stands in `gateway.startup`.

Sources, the later one wins: the file, then the environment. `DUES_API__PORT=1` sets `api.port`; lists are counted, as
in `DUES_CHAINS__0__RPC_URLS`. A secret `key` may be given as `key_file`, whose content is the value, so that it stands
neither in the file nor in the environment. Unknown keys are refused: a misspelt limit is a missing limit.
"""

import tomllib
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from gateway.domain.branding import is_deliverable

ENV_PREFIX: Final = "DUES_"
CONFIG_VARIABLE: Final = "DUES_CONFIG"
DEFAULT_FILE: Final = "dues.toml"
NO_SETTINGS: Final = frozenset({CONFIG_VARIABLE, "DUES_ANVIL", "DUES_TEST_POSTGRES_URL"})
"""Variables of the same prefix that mean something else; every other one that is no setting is refused."""

_FILE_SUFFIX: Final = "_file"
_SECRETS: Final = frozenset(
    {"database_url", "redis_url", "pepper", "rpc_urls", "keystore_password", "development_key", "password"}
)
_LISTS: Final = frozenset({"rpc_urls", "days"})
_SMTP_TIMEOUT_MAX: Final = 20  # seconds; with ten answers to a letter, a batch ends before its claim does
_LIST_LENGTH_MAX: Final = 64  # entries that the environment may add to a list; a typo must not make a huge one


class ConfigInvalid(Exception):
    """The settings contradict themselves or cannot be read; the message names source, key and remedy."""


class Secret:
    """A value that is never printed: only `reveal` gives it away."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


class Api(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where `dues api` listens. Behind a reverse proxy that ends TLS, 127.0.0.1 is right.

    Attributes:
        reads_per_second: how many GET requests each API key may make; 0 is no limit.
        writes_per_second: the same for all others.
    """

    host: str = "127.0.0.1"
    port: int = 8321
    reads_per_second: Annotated[int, msgspec.Meta(ge=0)] = 100
    writes_per_second: Annotated[int, msgspec.Meta(ge=0)] = 50


class Retry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens when a renewal fails: days between attempts, and the status when they are used up."""

    days: tuple[int, ...] = (1, 1, 1)
    on_exhausted: Literal["unpaid", "canceled", "past_due"] = "unpaid"


class Billing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Seconds for which a renewal's invoice stays a draft, so that webhook consumers may still add lines."""

    finalization_delay_seconds: int = 3600


class Log(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`json` is one object a line for machines, `human` one aligned line for people."""

    format: Literal["human", "json"] = "human"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Chain(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A chain to collect on.

    Attributes:
        rpc_urls: endpoints, tried in this order; they may carry an API key and are therefore secret.
        contract: our DuesMandates there.
        start_block: nothing of ours happened before this block.
        confirmations: blocks, the transaction's own included, after which an outcome is final.
        final_tag: the network's own word for final blocks, where it has one; it goes before `confirmations`.
        arrears: past periods that new mandates allow to be collected (0 to 8).
        livemode: whether real money moves here; keys `sk_live_…` see only such chains, keys `sk_test_…` only others.
        local: a development node whose clock may be moved.
        max_fee_gwei: highest fee per gas that is ever signed.
        tip_gwei: part of it that is offered to the block's proposer while nothing is urgent.
        explorer_url: a block explorer, which pages link transactions to as `<explorer_url>/tx/<hash>`.
    """

    chain_id: int
    name: str
    rpc_urls: tuple[Secret, ...]
    contract: str
    start_block: int = 0
    confirmations: int = 12
    final_tag: Literal["safe", "finalized"] | None = None
    arrears: int = 1
    livemode: bool = False
    local: bool = False
    max_fee_gwei: int = 200
    tip_gwei: int = 1
    explorer_url: Annotated[str, msgspec.Meta(pattern=r"^https?://[^\s?#]+$")] | None = None


class Token(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token that may settle, pegged 1:1 to `currency`. The permit fields are its EIP-712 domain (EIP-2612)."""

    chain_id: int
    address: str
    symbol: str
    decimals: int
    currency: str
    permit_name: str | None = None
    permit_version: str | None = None


class Signer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key that pays gas: a keystore (Web3 Secret Storage v3), or a development key.

    The password is missed only by a process that signs: the API needs neither file nor password.
    """

    chain_id: int
    keystore: Path | None = None
    keystore_password: Secret | None = None
    development_key: Secret | None = None


class Mail(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Mail to customers; without this table nobody is written to.

    Attributes:
        sender: address that all mails come from; merchants' names stand before it, answers go to their own address.
        folder: letters become files here and are not sent; for development.
        test_mode: also write to customers of test mode, who may be anybody; files are always written.
    """

    sender: str
    folder: Path | None = None
    test_mode: bool = False


class Smtp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The server that takes mails over.

    Attributes:
        security: `starttls` begins in the clear and encrypts before anything is said, `tls` encrypts at once, `none` is
            for a server on this machine. Certificates are checked.
        ca_file: certificates to trust instead of the system's.
        timeout_seconds: longest wait for each answer.
    """

    host: str
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    password: Secret | None = None
    ca_file: Path | None = None
    timeout_seconds: int = 10


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that an installation decides.

    Attributes:
        mode: `live` refuses to start with anything that is only fit for development.
        public_url: where browsers and merchants reach this installation.
        pepper: key under which API keys are hashed; whoever changes it makes every key invalid.
        allow_private_webhooks: lets endpoints resolve to private addresses; for development only.
        debug: answers carry details of unexpected errors; for development only.
    """

    database_url: Secret
    redis_url: Secret
    public_url: str
    pepper: Secret
    mode: Literal["test", "live"] = "test"
    allow_private_webhooks: bool = False
    debug: bool = False
    api: Api = Api()
    retry: Retry = Retry()
    billing: Billing = Billing()
    log: Log = Log()
    mail: Mail | None = None
    smtp: Smtp | None = None
    chains: tuple[Chain, ...] = ()
    tokens: tuple[Token, ...] = ()
    signers: tuple[Signer, ...] = ()

    def secrets(self) -> Iterator[str]:
        """Every secret value, for the redaction of logs."""
        yield from (secret.reveal() for secret in (self.database_url, self.redis_url, self.pepper))
        yield from (url.reveal() for chain in self.chains for url in chain.rpc_urls)
        for signer in self.signers:
            yield from (s.reveal() for s in (signer.keystore_password, signer.development_key) if s is not None)
        if self.smtp is not None and self.smtp.password is not None:
            yield self.smtp.password.reveal()


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Read the settings.

    Args:
        path: the file; None takes `DUES_CONFIG`, else `dues.toml` if there is one, else the environment alone.
        environ: environment variables.

    Raises:
        ConfigInvalid: a file is missing or unreadable, a key unknown, missing or of the wrong type, or the parts do not
            fit together.
    """
    chosen = _chosen(path, environ)
    tree: dict[str, Any] = {} if chosen is None else _parsed(chosen)
    source = "DUES_… variables" if chosen is None else f"{chosen} with DUES_… variables"
    base = Path() if chosen is None else chosen.parent
    for name in sorted(environ):
        if name.startswith(ENV_PREFIX) and name not in NO_SETTINGS:
            _override(tree, name, environ[name])
    try:
        config = msgspec.convert(_with_files(tree, base), Config, strict=False, dec_hook=_decoded)
    except msgspec.ValidationError as error:
        raise ConfigInvalid(_explained(error, source)) from None
    return _consistent(_anchored(config, base), source)


def _chosen(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    if path is not None:
        return path
    if named := environ.get(CONFIG_VARIABLE):
        return Path(named)
    return Path(DEFAULT_FILE) if Path(DEFAULT_FILE).is_file() else None


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigInvalid(f"{path}: cannot be read ({error.strerror}). Name the file with --config.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigInvalid(f"{path}: not valid TOML: {error}") from None


def _override(tree: dict[str, Any], name: str, value: str) -> None:
    """Put an environment variable at its place; a list may grow by one entry at a time."""
    node: Any = tree
    parts = name.removeprefix(ENV_PREFIX).lower().split("__")
    last = parts[-1]
    for part, following in pairwise(parts):
        fresh: Any = [] if following.isdigit() else {}
        if isinstance(node, list) and part.isdigit() and int(part) <= min(len(node), _LIST_LENGTH_MAX):
            if int(part) == len(node):
                node.append(fresh)
            node = node[int(part)]
        elif isinstance(node, dict):
            node = node.setdefault(part, fresh)
        else:
            raise ConfigInvalid(f"{name}: there is no such setting; lists are counted from 0 without gaps.")
    if not isinstance(node, dict):
        raise ConfigInvalid(f"{name}: there is no such setting.")
    node[last] = [part.strip() for part in value.split(",")] if last in _LISTS else value
    node.pop(last.removesuffix(_FILE_SUFFIX) if last.endswith(_FILE_SUFFIX) else last + _FILE_SUFFIX, None)


def _with_files(node: Any, base: Path) -> Any:
    """Replace every `secret_file` by `secret` with the file's content; the last line feed is not part of it."""
    if isinstance(node, list):
        return [_with_files(entry, base) for entry in node]
    if not isinstance(node, dict):
        return node
    filled: dict[str, Any] = {}
    for key, value in node.items():
        secret = key.removesuffix(_FILE_SUFFIX)
        if secret == key or secret not in _SECRETS:
            filled[key] = _with_files(value, base)
            continue
        if secret in node:
            raise ConfigInvalid(f"{secret} and {key} are both given; keep one of them.")
        content = _content(base / str(value), key)
        filled[secret] = content.split() if secret in _LISTS else content
    return filled


def _content(path: Path, key: str) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise ConfigInvalid(f"{key}: {path} cannot be read ({error.strerror}).") from None


def _decoded(kind: type, value: Any) -> Any:
    if kind is Secret and isinstance(value, str) and value:
        return Secret(value)
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise ValueError("Expected a non-empty string" if kind is Secret else f"Expected {kind.__name__}")


def _explained(error: msgspec.ValidationError, source: str) -> str:
    message, _, where = str(error).partition(" - at `$")
    place = where.rstrip("`").lstrip(".") or "top level"
    return f"{source}: {place}: {message}. See docs/operations/configuration.md."


def _anchored(config: Config, base: Path) -> Config:
    """Read relative paths from the file's own directory, wherever the command is started."""
    signers = tuple(
        signer if signer.keystore is None else msgspec.structs.replace(signer, keystore=base / signer.keystore)
        for signer in config.signers
    )
    mail, smtp = config.mail, config.smtp
    if mail is not None and mail.folder is not None:
        mail = msgspec.structs.replace(mail, folder=base / mail.folder)
    if smtp is not None and smtp.ca_file is not None:
        smtp = msgspec.structs.replace(smtp, ca_file=base / smtp.ca_file)
    return msgspec.structs.replace(config, signers=signers, mail=mail, smtp=smtp)


def _consistent(config: Config, source: str) -> Config:
    """Refuse settings whose parts do not fit together; one line for each, all at once."""
    problems: list[str] = []
    placed: list[tuple[str, Token | Signer]] = [(f"tokens[{i}]", token) for i, token in enumerate(config.tokens)]
    placed += [(f"signers[{i}]", signer) for i, signer in enumerate(config.signers)]
    known = [chain.chain_id for chain in config.chains]
    problems += [f"chains: chain {each} is listed twice" for each in sorted({i for i in known if known.count(i) > 1})]
    problems += [
        f"chains[{i}].rpc_urls: name at least one endpoint" for i, c in enumerate(config.chains) if not c.rpc_urls
    ]
    problems += [
        f"{place}.chain_id: chain {entry.chain_id} is not among [[chains]]"
        for place, entry in placed
        if entry.chain_id not in known
    ]
    for i, signer in enumerate(config.signers):
        if (signer.keystore is None) == (signer.development_key is None):
            problems.append(f"signers[{i}]: give either keystore or development_key")
    problems += _mail_problems(config.mail, config.smtp)
    if problems:
        raise ConfigInvalid(f"{source}: " + "; ".join(problems) + ".")
    return config


def _mail_problems(mail: Mail | None, smtp: Smtp | None) -> list[str]:
    problems = []
    if mail is not None and not is_deliverable(mail.sender):
        problems.append("mail.sender: is no address that mail can come from")
    if mail is not None and (mail.folder is None) == (smtp is None):
        problems.append("mail: give either [smtp] or mail.folder")
    if mail is None and smtp is not None:
        problems.append("smtp: means nothing without [mail]; give mail.sender")
    if smtp is not None and (smtp.username is None) != (smtp.password is None):
        problems.append("smtp: give username and password, or neither")
    if smtp is not None and smtp.password is not None and smtp.security == "none":
        problems.append("smtp.security: must be 'starttls' or 'tls' where there is a password")
    if smtp is not None and not 1 <= smtp.timeout_seconds <= _SMTP_TIMEOUT_MAX:
        problems.append(f"smtp.timeout_seconds: must be between 1 and {_SMTP_TIMEOUT_MAX}")
    return problems
