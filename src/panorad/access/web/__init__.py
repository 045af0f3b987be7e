"""The web shell: pages, static files, sign-in and session, errors, languages; every slice with pages stands on it."""
