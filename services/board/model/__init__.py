"""What the board knows, read from the topics and kept in memory. Pure: it holds what it is given."""
