"""The whole product on one machine for development: embedded PostgreSQL and Kafka, all services, an inbox page."""
