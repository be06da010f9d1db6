"""The same works on other servers, with clients as bare as ours: `python -m bench.peers`.

Redis Streams and NATS JetStream come from the system's packages and are started on temporary
data. What an answer of each promises is part of the table: a figure means nothing without it.
"""
