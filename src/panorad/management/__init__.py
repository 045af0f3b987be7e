"""What keeps it orderly."""
