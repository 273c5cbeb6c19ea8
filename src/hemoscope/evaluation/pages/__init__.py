"""What a person sees: curves, the report, the worst mistakes, the checklist."""
