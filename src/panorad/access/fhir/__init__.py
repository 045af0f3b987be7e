"""FHIR R4 at `/fhir`: one module for each resource, listed in `RESOURCES`, and a CapabilityStatement made of that list."""

from panorad.access.fhir.routes import RESOURCES, routes

__all__ = ["RESOURCES", "routes"]
