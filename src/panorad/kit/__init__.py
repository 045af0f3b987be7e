"""What every layer stands on and that knows no word of the domain: database, blobs, errors, clock, language."""
