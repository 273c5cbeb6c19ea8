"""Recipe to run to bundle: trains the systems of `networks` on a Manifest and its slice store."""
