"""The measurements: a broker under load, beside what the machine itself can do.

`pubsub bench` runs them. The load comes from processes of their own on bare sockets, lean
enough to leave the processors to the broker, and every run also checks that nothing was lost,
doubled or reordered.
"""
