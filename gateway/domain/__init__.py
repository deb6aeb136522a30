"""Pure rules of the business: facts and time in, new values and events out. Standard library only."""
