"""What is true: the image archive and the process archive."""
