"""The store on NATS JetStream: a stream a topic, and buckets for everything else."""

from broker.store.jetstream.store import JetStreamStore

__all__ = ["JetStreamStore"]
