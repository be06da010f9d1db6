"""The wire: what the bytes between a client and the broker mean.

Nothing here knows a socket or a store. `docs/protocol.md` is the same in words.
"""
