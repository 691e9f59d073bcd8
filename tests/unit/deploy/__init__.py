"""What is shipped to run the services by, held against the services."""
