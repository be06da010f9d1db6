"""What every account may ask: what the clients have in common."""

from clients.errors import SessionEnded
from clients.session import Session
from clients.states import Phase
from clients.values import Confirmations, Message, TopicState, messages_of
from protocol.incoming import HistoryBlocks
from protocol.reasons import Reason
from protocol.replies import ReceiptCount, Topics
from protocol.requests import ChangePassword, DeleteAccount, History, ListTopics, Receipts


class Client(Session):
    """An account that asks. Requests wait while the connection is away."""

    async def topics(self) -> list[TopicState]:
        """Return all topics, oldest first."""
        reply = await self._ask(ListTopics())
        assert isinstance(reply, Topics)
        return reply.details

    async def history(
        self, topic: str, *, after: int | None = None, before: int | None = None, limit: int = 100
    ) -> list[Message]:
        """Return up to `limit` messages right after or right before a seq, oldest first.

        Moves no cursor. Fewer come where more would not fit into a line.

        Raises:
            TopicNotFound: there is no such topic.
        """
        request = History(topic_name=topic, limit=limit)
        if after is not None:
            request.after = after
        if before is not None:
            request.before = before
        reply = await self._ask(request)
        assert isinstance(reply, HistoryBlocks)
        return [one for block in reply.blocks for one in messages_of(block, unread=False)]

    async def confirmations(self, topic: str, seq: int) -> Confirmations:
        """Return how many of the topic's subscriptions have processed message `seq`.

        Raises:
            TopicNotFound: there is no such topic.
        """
        reply = await self._ask(Receipts(topic_name=topic, seq=seq))
        assert isinstance(reply, ReceiptCount)
        return Confirmations(topic, seq, reply.confirmed, reply.subscriptions)

    async def change_password(self, new: str) -> None:
        """Give the account the password `new`; its other sessions end.

        Raises:
            RequestRefused: it cannot be a password, or the account has another than was given.
        """
        request = ChangePassword(password=new)
        if self._sign_in.password is not None:
            request.old_password = self._sign_in.password
        with self._sign_in.changing_to(new):
            await self._ask(request, done_if=Reason.WRONG_PASSWORD)

    async def delete_account(self) -> None:
        """Take out the account with its subscriptions, and close the client.

        What it published stays, and its topics do. Its other sessions end.

        Raises:
            RequestRefused: the store does not answer; the account is gone when it does.
        """
        try:
            await self._ask(DeleteAccount(user_email=self.email))
        except SessionEnded as ended:
            # The answer was lost, and then nobody was let in to an account that is not there.
            if ended.reason not in (Reason.ACCOUNT_NOT_FOUND, Reason.WRONG_PASSWORD):
                raise
        self._end(Phase.CLOSED, "the account has been deleted")
        await self.close()
