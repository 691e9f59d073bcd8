"""The monitor under faults, on a real Apache Kafka: what is sent, what is broken, and what the topics say afterwards."""
