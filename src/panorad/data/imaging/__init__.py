"""The image archive: receives, keeps, finds and gives back DICOM instances."""
