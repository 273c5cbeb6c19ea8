"""Predictions and a Manifest to cases: which slice or scan a prediction is of, and what is true of it."""
