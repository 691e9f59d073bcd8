"""The stream processor: folds contact events into people, evaluates them, and publishes what is overdue."""
