"""Measures of one finding, or of readers, with intervals and tests: arrays in, estimates out."""
