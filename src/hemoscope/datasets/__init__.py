"""Labelled collections of head CT: one Manifest of all their slices, splits by patient, and a fast slice store."""
