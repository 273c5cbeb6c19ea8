"""Augmentation of batches of slices and of whole scans, on the device where they lie. Needs `hemoscope[train]`."""
