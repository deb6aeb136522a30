"""HTTP interface: translation between the wire and the use cases, and nothing else."""
