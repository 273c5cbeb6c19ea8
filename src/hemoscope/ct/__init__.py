"""From files to a Scan in Hounsfield units: formats, series, geometry, windows, checks."""
