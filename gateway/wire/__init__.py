"""What objects look like on the wire: API answers and event snapshots share these shapes."""
