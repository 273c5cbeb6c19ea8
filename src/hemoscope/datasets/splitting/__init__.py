"""Splits by patient, and those of the five papers."""
