"""The product: domain, books, use cases, HTTP interface and command line."""
