"""The `dues` command."""
