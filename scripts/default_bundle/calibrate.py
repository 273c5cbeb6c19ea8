"""What the default bundle is calibrated on; `hemoscope.training.calibrate` says how."""

from __future__ import annotations

from hemoscope.training.calibrate import Settings

# Whole scans with all labels. The other sources have no negative patients, or are loose slices picked for blood.
WHOLE_SCANS = ("physionet", "rsna_series")
SETTINGS = Settings(sources=WHOLE_SCANS)
