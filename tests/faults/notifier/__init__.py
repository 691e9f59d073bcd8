"""What can go wrong with the notifier, on both databases: it is killed, paused, cheated and cut off; then it is judged."""
