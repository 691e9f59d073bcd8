"""What is run from the project's folder: set-up, checks, generated pages, secrets."""
