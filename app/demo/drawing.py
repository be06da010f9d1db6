"""How the panes of the presenter's screen look: lines of text from a scene, and nothing kept."""

import re
from collections.abc import Callable, Iterator

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from app.demo.actors import TOPIC
from app.demo.events import Mark, Pane
from app.demo.scene import Place, Rate, Row, Scene
from app.demo.signs import in_signs, sign
from app.screens.symbols import Symbols
from app.screens.words import in_words
from app.text import harmless
from clients import Phase, State

Lines = list[Content]

_STYLES = {
    Mark.SENT: "$text-warning",
    Mark.STORED: "$text-success",
    Mark.CONFIRMED: "$text-success bold",
    Mark.RESENT: "$text-accent bold",
    Mark.REFUSED: "$text-error",
    Mark.UNREAD: "$text-accent bold",
    Mark.LIVE: "$text-success",
    Mark.ASKED: "$text-primary bold",
    Mark.ANSWERED: "$text-success bold",
    Mark.FACT: "$text-primary",
}
_STATE_STYLES = {
    Phase.LIVE: "$text-success",
    Phase.RECONNECTING: "$text-warning bold",
    Phase.CONNECTING: "$text-warning",
    Phase.SIGNING_IN: "$text-warning",
}
_WRAPPED = {Mark.ASKED, Mark.ANSWERED, Mark.FACT}
_ROOMY = 45  # cells in which a state is told in full
_SHOWN = 400  # characters of a message that may be shown


class Drawing:
    """Draws `scene` as it is at `now`, a time of the event loop."""

    def __init__(self, scene: Scene, symbols: Symbols, now: float) -> None:
        self._scene = scene
        self._symbols = symbols
        self._now = now

    def pane(self, pane: Pane, width: int, height: int) -> Content:
        """Return `height` lines of at most `width` cells."""
        draw: dict[Pane, Callable[[int], tuple[Lines, Lines]]] = {
            Pane.PUBLISHER: self._publisher,
            Pane.BROKER: self._broker,
            Pane.SUBSCRIBER: self._subscriber,
        }
        above, below = draw[pane](width)
        room = max(height - len(above) - len(below), 0)
        rows = self._rows(pane, width, room)
        gap = [Content("")] * (room - len(rows))
        content = Content("\n").join([*above, *rows, *gap, *below][:height])
        if self._ascii:
            return Content(content.plain.replace("…", "~"), spans=[*content.spans])
        return content

    def tabs(self, shown: Pane) -> Content:
        """Return the line that stands for the panes of which only one is shown."""
        parts: list[tuple[str, str]] = []
        for number, pane in enumerate(Pane, 1):
            style = "bold reverse" if pane is shown else "$text-muted"
            parts += [("  ", ""), (f" {number} {pane} ", style)]
        return Content.assemble(*parts)

    # what stands above and below the rows

    def _publisher(self, width: int) -> tuple[Lines, Lines]:
        who = self._standing("bob", width)
        return [who, Content("")], self._gauge(self._scene.stored, "stored", width)

    def _subscriber(self, width: int) -> tuple[Lines, Lines]:
        waiting = {place.who: place.unread for place in self._scene.places}
        above = [
            self._standing(who, width, waiting.get(who, 0))
            for who in ("ada", "eve", "tien", "sam")
            if who in self._scene.states
            and (who in waiting or self._scene.states[who].phase is not Phase.OFFLINE)
        ]
        above = above or [Content.styled(_cut(" nobody yet", width), "$text-muted")]
        return [*above, Content("")], self._gauge(self._scene.delivered, "delivered", width)

    def _broker(self, width: int) -> tuple[Lines, Lines]:
        scene = self._scene
        if scene.process is None:
            state = (f"{self._symbols.refused} no process", "$text-error bold")
        else:
            state = (f"{self._symbols.live} serving", "$text-success")
        number = f" process {scene.process}" if scene.process else " the broker"
        above = [_apart(width, (number, "bold"), state), Content("")]
        if scene.head:
            above.append(self._log(width))
        above += [self._cursor(place, width) for place in scene.places]
        if scene.places:
            above.append(Content(""))
        return above, []

    def _standing(self, who: str, width: int, waiting: int = 0) -> Content:
        """Who it is, how the connection stands, and how many messages wait."""
        state = self._scene.states.get(who, State(Phase.OFFLINE))
        words = in_words(state, self._now, self._symbols)[:_SHOWN]
        if state.phase is Phase.RECONNECTING and width < _ROOMY:
            words = f"{self._symbols.reconnecting} reconnecting"
        if waiting and state.phase is not Phase.LIVE:
            words = f"{waiting:,} wait  {words}"
        style = _STATE_STYLES.get(state.phase, "$text-muted")
        return _apart(width, (f" {who}", "bold"), (words, style))

    def _log(self, width: int) -> Content:
        """The newest seqs of the topic, the head marked."""
        head = f"[{self._scene.head}]"
        room = width - len(TOPIC) - cell_len(head) - 6
        older: list[str] = []
        seq = self._scene.head - 1
        while seq > 0 and sum(map(len, older)) + len(older) + len(str(seq)) < room:
            older.append(str(seq))
            seq -= 1
        dots = "… " if seq > 0 and not self._ascii else "  "
        shown = "".join(f"{one} " for one in reversed(older))
        return Content.assemble(
            (f" {TOPIC} ", "bold"), (f"{dots}{shown}", "$text-muted"), (head, "$text-accent bold")
        )

    def _cursor(self, place: Place, width: int) -> Content:
        """A subscription on the log: each cell a message, those to come dotted."""
        waiting = place.unread
        note = f" {place.cursor:,}" + (f" {self._symbols.unread}{waiting:,}" if waiting else "")
        room = max(width - 6 - max(cell_len(note), 8) - 1, 4)
        past = max(room - waiting, 0)
        done, ahead = ("=", ".") if self._ascii else ("━", "┄")
        head = self._symbols.live if place.present else self._symbols.offline
        style = "$text-success" if place.present else "$text-warning"
        return Content.assemble(
            (f" {place.who:<4} ", "bold"),
            (done * past, style),
            (head, f"{style} bold"),
            (ahead * (room - past), "$text-accent"),
            (note, "$text-accent bold" if waiting else "$text-muted"),
        )

    def _gauge(self, rate: Rate, what: str, width: int) -> Lines:
        """How many a second, where there are many."""
        if not rate.busy:
            return []
        newest = next(reversed(rate.samples))
        top = max(rate.samples)
        words = f"{newest:,.0f}/s {what} " if newest else f"peak {top:,.0f}/s {what} "
        bars = self._symbols.bars
        count = max(width - cell_len(words) - 3, 0)
        shown = [*rate.samples][-count:] if count else []
        graph = "".join(bars[min(int(one / top * len(bars)), len(bars) - 1)] for one in shown)
        return [Content(""), _apart(width, (f" {graph}", "$text-accent"), (words, "bold"))]

    # the rows

    def _rows(self, pane: Pane, width: int, room: int) -> Lines:
        """Return the newest rows that fit, oldest first."""
        lines: Lines = []
        for row in self._scene.latest(pane):
            if len(lines) >= room:
                break
            drawn = [*self._row(row, width, named=pane is Pane.SUBSCRIBER)]
            lines = drawn + lines
        return lines[-room:] if room else []

    def _row(self, row: Row, width: int, *, named: bool) -> Iterator[Content]:
        mark = sign(row.mark, self._symbols)
        text = in_signs(harmless(row.text[:_SHOWN]), self._symbols)
        who = f"{row.who:<4} " if named else ""
        first = f" {who}{mark:<2} "
        if row.mark in _WRAPPED:
            yield from self._wrapped(first, f"{text} {row.note}".strip(), row.mark, width)
            return
        style = _STYLES[row.mark]
        note = f" {row.note} " if row.note else ""
        room = width - cell_len(first) - cell_len(note)
        yield Content.assemble(
            (f" {who}", "$text-muted"),
            (f"{mark:<2} ", style),
            (_cut(text, room), "bold" if row.mark is Mark.UNREAD else ""),
            (note, "$text-muted"),
        )

    def _wrapped(self, first: str, text: str, mark: Mark, width: int) -> Iterator[Content]:
        indent = cell_len(first)
        lines = _wrap(text, max(width - indent, 8))
        style = "$text-muted" if mark is Mark.ASKED else ""
        for number, line in enumerate(lines):
            start = first if number == 0 else " " * indent
            yield Content.assemble((start, _STYLES[mark]), (_cut(line, width - indent), style))

    @property
    def _ascii(self) -> bool:
        return self._symbols.live.isascii()


def _wrap(text: str, width: int) -> list[str]:
    """Return `text` in lines of at most `width`, broken after blanks, commas and colons."""
    lines = [""]
    for piece in re.findall(r"[^ ,:]*[ ,:]?", text):
        if lines[-1] and cell_len(lines[-1] + piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return lines


def _cut(text: str, width: int) -> str:
    """Return `text` in exactly `width` cells."""
    if cell_len(text) > width > 0:
        return set_cell_size(text, width - 1) + "…"
    return set_cell_size(text, max(width, 0))


def _apart(width: int, left: tuple[str, str], right: tuple[str, str]) -> Content:
    """Return `left` and `right` at the two ends of a line."""
    words = right[0] if cell_len(right[0]) < width - 6 else _cut(right[0], width - 6)
    room = width - cell_len(words) - 1
    return Content.assemble((_cut(left[0], room), left[1]), (words, right[1]))
