"""What tests of every room may ask for: a real Kafka, and a command line that is served by a worker."""

from tests.kafka_broker import kafka
from tests.serving import served

__all__ = ["kafka", "served"]
