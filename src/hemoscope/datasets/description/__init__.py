"""What a Manifest holds, in tables, plots and pictures."""
