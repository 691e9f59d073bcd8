"""The pages for advisers and managers: who needs contact, why, and what was done about it."""
