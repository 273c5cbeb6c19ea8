"""Detection to CSV, JSON, HTML and PNG."""
