"""The board on a screen: what is listed, read, asked and written, and the keys for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from rich.text import Text
from textual import events, on, work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from sxhost.cli.board.acts import Acts
from sxhost.cli.board.answering import Answering
from sxhost.cli.board.bars import elsewhere, heading, lost_heading, news, title
from sxhost.cli.board.board_list import BoardList
from sxhost.cli.board.card import ApprovalCard
from sxhost.cli.board.composer import Composer, Purpose
from sxhost.cli.board.conversation import ConversationView
from sxhost.cli.board.dialogs import HelpScreen, NewScreen
from sxhost.cli.board.feed import BoardFeed
from sxhost.cli.board.host import BoardHost
from sxhost.cli.board.keys import KEYS, footer, refusal
from sxhost.cli.board.rows import Row, row_of
from sxhost.cli.formats import home_path, one_line
from sxhost.model.approval import Answer, Approval
from sxhost.model.auth import Identity
from sxhost.model.names import Scope
from sxhost.model.session import Summary
from sxhost.model.turn import Launch

__all__ = ["Board"]

NARROW: Final = 72
"""Columns below which there is room for the list or the conversation, not for both."""

REDRAW_S: Final = 1 / 10
"""Seconds between two looks at what the host has said meanwhile."""

TICK_S: Final = 1.0
"""Seconds after which ages are told anew."""

REST_S: Final = 0.1
"""Seconds for which a session is chosen until its conversation is read."""

AGAIN_MS: Final = 3_000
"""Milliseconds within which a second key confirms the first."""


class Board(App[None]):
    """The board of one host, until somebody quits."""

    CSS = """
    Screen { layout: vertical; }
    #head, #foot, #news, #elsewhere { height: 1; width: 100%; }
    #panes { height: 1fr; }
    #list { width: 45%; min-width: 30; scrollbar-size-vertical: 1; scrollbar-gutter: stable; }
    #right { width: 1fr; border-left: solid $foreground 30%; padding-left: 1; }
    #conversation { height: 1fr; scrollbar-size-vertical: 1; scrollbar-gutter: stable;
                    overflow-x: hidden; }
    #about { height: 1; }
    #list { overflow-x: hidden; }
    .narrow #list { width: 100%; }
    .narrow #right { display: none; border-left: none; padding-left: 0; }
    .narrow.reading #list { display: none; }
    .narrow.reading #right { display: block; width: 100%; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(key.bound, key.action, show=False) for key in KEYS),
        Binding("ctrl+c", "quit", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", show=False, priority=True),
    ]

    def __init__(
        self,
        host: BoardHost,
        identity: Identity | None,
        now_ms: Callable[[], int],
        home: str = "",
        rest_s: float = REST_S,
    ) -> None:
        super().__init__(ansi_color=True)
        self._host = host
        self._acts = Acts(host, self.say)
        self._identity = identity
        self._now_ms = now_ms
        self._home = home
        self.feed = BoardFeed(
            host,
            None if identity is None else identity.session,
            now_ms,
            say=self.say,
            on_back=self._go_on,
            leave=lambda why: self.exit(return_code=1, message=one_line(why)),
        )
        self._sessions = self.feed.sessions
        self._words = ""
        self._interrupting: tuple[str, int] | None = None
        """Whom the next key interrupts, and since when."""
        self._end_stream: Callable[[], object] = lambda: None
        self.list = BoardList(id="list")
        self.conversation = ConversationView(host, rest_s, id="conversation")
        self.card = ApprovalCard(id="card")
        self.composer = Composer(self._focus_pane, id="composer")
        self._answering = Answering(self.composer, self._decide, self.say)
        self._head, self._news = Static(id="head"), Static(id="news")
        self._elsewhere = Static(id="elsewhere")
        self._foot, self._about = Static(id="foot"), Static(id="about")

    def compose(self) -> ComposeResult:
        """A line of counts, the two panes, what is written, what is said, the keys."""
        yield self._head
        with Horizontal(id="panes"):
            yield self.list
            with Vertical(id="right"):
                yield self._about
                yield self.conversation
                yield self.card
        yield self._elsewhere
        yield self.composer
        yield self._news
        yield self._foot

    def on_mount(self) -> None:
        """Follow the host, and draw what it says now and then."""
        self._end_stream = self.feed.begin()
        self.app_resume_signal.subscribe(self, lambda _: self._repaint())
        self.set_interval(REDRAW_S, self._draw_changes)
        self.set_interval(TICK_S, self._tick)
        self._arrange(self.size.width)
        self.screen.set_focus(self.list)

    def on_unmount(self) -> None:
        """Follow nothing more."""
        self._end_stream()

    # What is drawn.

    def _tick(self) -> None:
        self.feed.changed = True  # everything is a second older
        session = self._sessions.get(self.list.chosen or "")
        if session is not None and self.list.is_moved and self._sees_end_of(session):
            self._note_seen(session.id, session.event_count)

    def _sees_end_of(self, session: Summary) -> bool:
        """Tell whether somebody may note now that a session was looked at."""
        is_read = self.conversation.session == session.id and self.conversation.is_at_end
        may = self.feed.lost is None and not refusal(self._identity, "send", session.id)
        return is_read and may and self._sessions.is_new(session)

    @work(exclusive=True, group="seen")
    async def _note_seen(self, session_id: str, seq: int) -> None:
        await self._acts.note_seen(session_id, seq)

    def _go_on(self) -> None:
        """Read what could not be read while there was no link."""
        self.conversation.reload_if_cut_off()

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        await self.feed.look()

    def _draw_changes(self) -> None:
        if self.feed.is_stale and self.feed.lost is None:
            self._look()
        if self.feed.changed and len(self.screen_stack) == 1:
            self.feed.changed = False
            self._draw()

    def _draw(self) -> None:
        now, sessions = self._now_ms(), self._sessions
        self.list.stale = self.conversation.stale = self.feed.lost is not None
        listed = sessions.listed(self._words)
        self.list.show([self._row(one) for one in listed])
        chosen = self.list.chosen
        self._head.update(
            heading(self._host.url, sessions, self._words)
            if self.feed.lost is None
            else lost_heading(self.feed.lost, now)
        )
        self._about.update(self._title(chosen))
        self.card.show(sessions.asked_by(chosen), sessions.name_of(chosen), now)
        others = sessions.asked_elsewhere(chosen)
        self._elsewhere.display = bool(others)
        if others:
            name = sessions.name_of(others[0].session)
            self._elsewhere.update(elsewhere(name, others[0], len(others) - 1))
        self._foot.update(footer(self._identity, chosen))

    def _row(self, session: Summary) -> Row:
        sessions = self._sessions
        doing = sessions.doing(session, self._now_ms())
        is_new = sessions.is_new(session)
        return row_of(session, sessions.standing(session), doing, is_new=is_new)

    def _title(self, session_id: str | None) -> Text:
        session = self._sessions.get(session_id or "")
        if session is None:
            return Text()
        doing = self._sessions.doing(session, self._now_ms())
        about = (session.agent, session.model, doing, home_path(session.cwd, self._home))
        return title(session.title or session.id, about, self.conversation.unseen)

    def _repaint(self) -> None:
        """Draw all of it: somebody else has had the terminal."""
        for widget in self.screen.walk_children(with_self=True):
            widget.refresh()

    def say(self, text: str) -> None:
        """Say something in a line above the keys, until the next key."""
        self._news.update(news(text))

    # Where somebody is.

    def on_resize(self, event: events.Resize) -> None:
        """Show the list or the conversation where there is no room for both."""
        self._arrange(event.size.width)

    def _arrange(self, width: int) -> None:
        self.screen.set_class(width < NARROW, "narrow")
        self.feed.changed = True

    @on(BoardList.Chosen)
    def _read_chosen(self, event: BoardList.Chosen) -> None:
        self.feed.changed = True
        self.conversation.read(event.session_id)

    @on(BoardList.Opened)
    def action_open(self) -> None:
        """Go to the conversation."""
        self.screen.add_class("reading")
        self.screen.set_focus(self.conversation)

    def action_leave(self) -> None:
        """Leave what is written, the conversation, the filter: one at a time."""
        if self.composer.purpose is not None:
            if self.composer.purpose.kind == "filter":
                self._words = ""
            self.composer.close()
        elif self._words and self.focused is self.list:
            self._words = ""
        elif self.focused is self.list:
            self.list.choose_first()
        self.feed.changed = True
        self.screen.remove_class("reading")
        self.screen.set_focus(self.list)

    def action_other(self) -> None:
        """Go from the list to the conversation, or back."""
        if self.focused is self.conversation:
            self.action_leave()
        else:
            self.action_open()

    def _focus_pane(self) -> None:
        reading = self.screen.has_class("reading")
        self.screen.set_focus(self.conversation if reading else self.list)

    def action_move(self, by: int) -> None:
        """Go down or up by a line."""
        if self.focused is self.conversation:
            self.conversation.scroll_relative(y=by, animate=False)
        else:
            self.list.move(by)

    def action_half_page(self, by: int) -> None:
        """Go down or up by half of what is seen."""
        if self.focused is self.conversation:
            self.action_move(by * max(self.conversation.size.height // 2, 1))
        else:
            self.list.move(by * max(self.list.page // 2, 1))

    def action_edge(self, last: bool) -> None:
        """Go to the end, or to the beginning."""
        if self.focused is not self.conversation:
            self.list.choose_end(last=last)
        elif last:
            self.action_follow()
        else:
            self.conversation.scroll_home(animate=False)

    def action_next_asking(self) -> None:
        """Go to the session that waits longest for a decision, other than this one."""
        others = self._sessions.asked_elsewhere(self.list.chosen)
        if others:
            self._words, self.feed.changed = "", True
            self._draw()
            self.list.choose_id(others[0].session)
        else:
            self.say("Nobody else waits.")

    def action_follow(self) -> None:
        """Go to the conversation's end, and on with it."""
        self.conversation.follow()
        self.feed.changed = True

    def action_details(self) -> None:
        """Show outputs, diffs and thoughts whole, or a line of each."""
        self.conversation.opened = not self.conversation.opened

    def action_scroll_card(self, by: int) -> None:
        """Show more of what is asked."""
        self.card.scroll_by(by)

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(HelpScreen())

    # What somebody does.

    def _may(self, scope: Scope, session_id: str | None) -> bool:
        """Tell whether a key does something now; say why if it does not."""
        why = refusal(self._identity, scope, session_id)
        if self.feed.lost is not None:
            why = "There is no link to the host now."
        self.say(why)
        return not why

    def _asked(self) -> Approval | None:
        """Return the approval that a key answers now."""
        approval = self.card.approval
        if approval is None:
            self.say("Nothing waits for an answer.")
            return None
        if not self._may("approve", approval.session):
            return None
        why = self.card.refusal(self._now_ms())
        self.say(why)
        return None if why else approval

    def action_decide(self, decision: str) -> None:
        """Answer what is asked by one of the usual decisions; deny it with words."""
        approval = self._asked()
        if approval is not None:
            self._answering.by_decision(approval, decision)

    def action_choice(self, number: int) -> None:
        """Answer by the choice of this number."""
        approval = self._asked()
        if approval is not None:
            self._answering.by_number(approval, number)

    @work(group="decide")
    async def _decide(self, approval: Approval, answer: Answer) -> None:
        if await self._acts.decide(approval, answer):
            self.feed.is_stale = True

    def action_write(self) -> None:
        """Write to the agent of the chosen session."""
        chosen = self.list.chosen
        if chosen is not None and self._may("send", chosen):
            self.composer.open(Purpose("send", f"to {self._sessions.name_of(chosen)}:", chosen))

    def action_filter(self) -> None:
        """List only sessions with some words."""
        self.composer.open(Purpose("filter", "/"))

    @on(Composer.Changed)
    def _filter_while_written(self, event: Composer.Changed) -> None:
        self._words, self.feed.changed = event.text, True

    @on(Composer.Written)
    def _take_written(self, event: Composer.Written) -> None:
        purpose, text = event.purpose, event.text
        match purpose.kind:
            case "filter":
                self._words, self.feed.changed = text, True
            case "send" if text.strip():
                self._send(purpose, text)
            case "deny" | "answer":
                self._answering.by_words(purpose, text)

    @on(ConversationView.News)
    def _say_news(self, event: ConversationView.News) -> None:
        self.say(event.text)

    @work(group="send")
    async def _send(self, purpose: Purpose, text: str) -> None:
        if purpose.session is None:
            return
        if await self._acts.send(purpose.session, text):
            self.composer.forget(purpose)

    def action_interrupt(self) -> None:
        """Stop the chosen session's turn, at the second key."""
        chosen, now = self.list.chosen, self._now_ms()
        if chosen is None or not self._may("send", chosen):
            return
        before, self._interrupting = self._interrupting, (chosen, now)
        if before is not None and before[0] == chosen and now - before[1] < AGAIN_MS:
            self._interrupting = None
            self._interrupt(chosen)
        else:
            self.say(f"i once more stops the turn of {chosen}.")

    @work(group="interrupt")
    async def _interrupt(self, session_id: str) -> None:
        await self._acts.interrupt(session_id)

    def action_new(self) -> None:
        """Start an agent, by default like the chosen one."""
        if self._may("admin", None):
            like = self._sessions.get(self.list.chosen or "")
            agent, cwd = (like.agent, like.cwd) if like else ("", "")
            self.push_screen(NewScreen(one_line(agent), one_line(cwd)), self._start_if_wanted)

    def _start_if_wanted(self, launch: Launch | None) -> None:
        if launch is not None:
            self._start(launch)

    @work(group="start")
    async def _start(self, launch: Launch) -> None:
        made = await self._acts.start(launch)
        if made is not None:
            self.list.choose_id(made)
