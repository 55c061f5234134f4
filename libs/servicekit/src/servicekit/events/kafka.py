"""Settings of our Kafka clients, and the topics."""

import ssl
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from latchkey_contracts.topics import PARTITIONS, PUBLISHERS, RETENTION_MS, events_topic

TOPIC_ALREADY_EXISTS = 36


@dataclass(frozen=True)
class KafkaSettings:
    """Where the brokers are, and how a client proves who it is (mTLS or none)."""

    bootstrap: str
    topic_prefix: str = ""
    session_timeout_ms: int = 10_000
    heartbeat_ms: int = 1_000
    ssl_context: ssl.SSLContext | None = field(default=None, repr=False)

    def security(self) -> dict[str, Any]:
        if self.ssl_context is None:
            return {}
        return {"security_protocol": "SSL", "ssl_context": self.ssl_context}

    def producer(self) -> AIOKafkaProducer:
        """Not started. Idempotent, acks=all; request_timeout_ms stays at its default on purpose."""
        return AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, acks="all", enable_idempotence=True, request_timeout_ms=40_000, **self.security()
        )

    def group(self, service: str) -> str:
        return f"{self.topic_prefix}latchkey.{service}"


async def ensure_topics(bootstrap: str, prefix: str = "", *, replication_factor: int = 1, **security: Any) -> list[str]:
    """Creates what is missing; answers the names of the new ones. In production topics are declared (KafkaTopic)."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **security)
    await admin.start()
    try:
        names = [events_topic(service, prefix) for service in PUBLISHERS]
        topics = [
            NewTopic(name, PARTITIONS, replication_factor, topic_configs={"retention.ms": str(RETENTION_MS)}) for name in names
        ]
        answer = await admin.create_topics(topics)
        made = []
        for name, code, *_ in answer.topic_errors:  # aiokafka doesn't raise these
            if code == 0:
                made.append(name)
            elif code != TOPIC_ALREADY_EXISTS:
                raise RuntimeError(f"topic {name}: Kafka error {code}")
        return made
    finally:
        await admin.close()
