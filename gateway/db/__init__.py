"""The books: the only SQL in the project."""
