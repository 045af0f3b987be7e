"""How the world reaches the center: DICOM, DICOMweb, the web shell, and the gate in front of them."""
