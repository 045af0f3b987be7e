"""The words of the domain as frozen data classes: standard library only, no input or output."""
