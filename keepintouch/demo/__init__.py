"""The whole product on one machine: a local Kafka, the services, a made-up council, and the story they tell."""
