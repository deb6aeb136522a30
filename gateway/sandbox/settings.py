"""The settings file of a sandbox, written the way an operator would write one."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chain.erc20 import TokenDescription
from chain.local_node import DEVELOPMENT_KEYS, LOCAL_CHAIN_ID
from chain.primitives import Address
from gateway.sandbox.folder import Folder
from gateway.sandbox.ports import HOST, Ports

CONFIRMATIONS: Final = 2
"""The block of the transaction and one more: enough to see `processing` before `succeeded`."""

_TEMPLATE: Final = """\
# Written by `dues sandbox` for this run only. Everything in it is for development: live mode refuses it.
mode = "test"
database_url = {database_url}
redis_url = {redis_url}
public_url = {public_url}
pepper = {pepper}
allow_private_webhooks = true

[api]
host = {host}
port = {port}
reads_per_second = 0
writes_per_second = 0

[mail]
sender = "billing@sandbox.example"
folder = {outbox}

[billing]
finalization_delay_seconds = 3600

[[chains]]
chain_id = {chain_id}
name = "local"
rpc_urls = [{rpc_url}]
contract = {contract}
confirmations = {confirmations}
local = true

[[tokens]]
chain_id = {chain_id}
address = {token}
symbol = {symbol}
decimals = {decimals}
currency = "usd"
permit_name = {permit_name}
permit_version = {permit_version}

[[signers]]
chain_id = {chain_id}
development_key = {development_key}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What stands on the chain."""

    contract: Address
    token: Address
    description: TokenDescription


def write(folder: Folder, ports: Ports, deployed: Deployed) -> Path:
    """Write the file, readable by its owner only, and return its path."""
    values: dict[str, str | int] = {
        "database_url": f"sqlite:///{folder.database}",
        "outbox": str(folder.outbox),
        "redis_url": f"redis://{HOST}:{ports.redis}/0",
        "public_url": f"http://{HOST}:{ports.api}",
        "pepper": secrets.token_hex(32),
        "host": HOST,
        "port": ports.api,
        "chain_id": LOCAL_CHAIN_ID,
        "rpc_url": f"http://{HOST}:{ports.chain}",
        "contract": deployed.contract,
        "confirmations": CONFIRMATIONS,
        "token": deployed.token,
        "symbol": deployed.description.symbol,
        "decimals": deployed.description.decimals,
        "permit_name": deployed.description.name,
        "permit_version": deployed.description.permit_version,
        "development_key": DEVELOPMENT_KEYS[1],
    }
    path = folder.settings
    path.touch(mode=0o600)
    # A JSON string or number is a TOML one.
    path.write_text(_TEMPLATE.format_map({key: json.dumps(value) for key, value in values.items()}), encoding="utf-8")
    return path
