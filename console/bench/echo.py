"""The other end of the hop: sends back what it receives.

`python -m elexirion.console.bench.echo KAFKA IN OUT PARTITIONS`
"""

import asyncio
import signal
import sys

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from elexirion.agents.kafka.connection import KafkaAddress, connect
from elexirion.console.bench.hop import at_end_of


async def echo(bootstrap: str, received: str, sent: str, partitions: int) -> None:
    """Serve until SIGTERM."""
    address = KafkaAddress(bootstrap, "elexirion-bench-echo")
    producer, consumer = address.producer(), address.consumer()
    await connect(producer, bootstrap)
    await at_end_of(consumer, address, received, partitions)
    print("ready", flush=True)
    serving = asyncio.create_task(_serve(producer, consumer, sent))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        await producer.stop()
        await consumer.stop()


async def _serve(producer: AIOKafkaProducer, consumer: AIOKafkaConsumer, topic: str) -> None:
    async for message in consumer:
        await producer.send(topic, message.value, partition=0)


if __name__ == "__main__":
    _, kafka, topic_in, topic_out, count = sys.argv
    uvloop.run(echo(kafka, topic_in, topic_out, int(count)))
