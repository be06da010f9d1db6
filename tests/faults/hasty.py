"""`pubsub`, but for the journal: it is moved to blocks ten times a second.

A round of faults is short. So each has moves in it that are broken off.
"""

from app.main import main
from broker.store.postgres import mover

mover.OLDEST_S = 0.1
mover.ENOUGH_BYTES = 50_000

if __name__ == "__main__":
    main()
