"""The edge to Kafka: safe client settings, topics, appending, reading."""
