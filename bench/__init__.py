"""Measures contact_monitor on a real Kafka: `make bench`. What each figure is: docs/explanation/speed.md."""
