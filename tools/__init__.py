"""What a checkout needs beside the package: set-up, the viewer and the house rules."""
