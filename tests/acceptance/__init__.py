"""The center seen from outside: DIMSE, DICOMweb and the command line, with real peers."""
