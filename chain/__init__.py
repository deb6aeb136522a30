"""EVM adapter: blocks, logs, transactions and our ABI. Knows nothing of the product."""
