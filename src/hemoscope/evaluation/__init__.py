"""Predictions and what is true in; measures with intervals, tests, tables and figures out."""
