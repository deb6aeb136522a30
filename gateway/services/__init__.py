"""Use cases: one function each, batch in, batch out; the only callers that change the books."""
