"""DICOMweb: QIDO-RS, WADO-RS, STOW-RS and WADO-URI (PS3.18) over the image archive."""

from panorad.access.dicomweb.routes import routes

__all__ = ["routes"]
