"""One module for each page: its routes, and what it puts into its template."""
