"""Cases to tables: areas, calls at operating points, ways from slices to scans, calibration, subgroups."""
