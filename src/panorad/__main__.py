"""`python -m panorad`."""

from panorad.cli import app

if __name__ == "__main__":
    app()
