"""What the importers of collections share: tables, DICOM headers, volumes, the order of slices, boxes and masks."""
