"""arq entry points: when to run, never what to do."""
