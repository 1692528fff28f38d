"""Messages and outputs that are being written, at any event."""

from __future__ import annotations

from msgspec import Raw

from sxhost.transcripts.growing_message import GrowingMessage, GrowingText, ToolExecution
from sxhost.transcripts.messages import TextBlock, ThinkingBlock, ToolCallBlock


def growing(limit: int = 1000) -> GrowingMessage:
    return GrowingMessage(1, 500, limit, "m")


def test_a_text_is_as_it_was_at_each_event() -> None:
    text = GrowingText()
    text.append(2, 'so "')
    text.append(5, "é\n")
    assert [text.at(seq) for seq in (1, 2, 4, 5, 9)] == [
        b"",
        b'so \\"',
        b'so \\"',
        'so \\"é\\n'.encode(),
        'so \\"é\\n'.encode(),
    ]


def test_the_tail_of_a_text_begins_with_a_whole_piece() -> None:
    text = GrowingText()
    for seq, piece in enumerate(("abc", "\n\n", "de"), 1):
        text.append(seq, piece)
    assert text.at(3, tail=6) == b"\\n\\nde"
    assert text.at(3, tail=5) == b"de", "an escape sequence is not split"
    assert text.at(2, tail=100) == b"abc\\n\\n"


def test_of_a_long_text_the_end_is_kept() -> None:
    text = GrowingText(kept=10)
    for seq in range(1, 100):
        text.append(seq, "xyz")
        assert text.size <= 20
        assert text.at(seq, tail=9) == b"xyz" * min(seq, 3)
    assert text.at(1) == b"", "what was dropped is not there for those behind"
    assert text.at(99).startswith(b"xyz")


def test_a_message_has_blocks_of_all_kinds() -> None:
    message = growing()
    message.append(1, ThinkingBlock, "hm")
    message.append(2, TextBlock, "a", index=1)
    message.begin_call(3, 2, "c", "bash")
    message.append(4, ToolCallBlock, '{"command":"l', index=2)
    message.complete_call(6, 2, Raw(b'{"name":"bash"}'))
    assert [type(block.at(3)) for block in message.blocks_at(2)] == [ThinkingBlock, TextBlock]
    call = message.blocks_at(4)[2].at(4)
    assert isinstance(call, ToolCallBlock)
    assert (call.item, call.tool, call.input) == ("c", "bash", Raw(b'{"command":"l"}'))
    assert call.partial == '{"command":"l'
    whole = message.blocks_at(6)[2].at(6)
    assert isinstance(whole, ToolCallBlock)
    assert (whole.partial, whole.native) == (None, Raw(b'{"name":"bash"}'))
    assert (message.text_at(1, 9), message.text_at(7, 9)) == (b"a", b"")


def test_a_message_that_is_too_large_has_no_content() -> None:
    message = growing(limit=3)
    message.append(1, TextBlock, "abcd")
    assert message.too_large
    assert message.text_at(0, 1) is None
    cut = message.cut(2, "interrupted", "")
    assert (cut.blocks, cut.status) == ((), "interrupted")


def test_a_message_that_is_cut_is_as_far_as_it_came() -> None:
    message = growing()
    message.append(1, TextBlock, "half")
    cut = message.cut(4, "failed", "no model")
    assert (cut.first, cut.seq, cut.ts_ms) == (1, 4, 500)
    assert (cut.text, cut.status, cut.reason) == ("half", "failed", "no model")


def test_usage_is_the_last_that_was_reported() -> None:
    message = growing()
    message.add_usage(2, Raw(b"1"))
    message.add_usage(4, Raw(b"2"))
    assert [message.usage_at(seq) for seq in (1, 3, 4)] == [None, Raw(b"1"), Raw(b"2")]


def test_a_tool_without_input_has_an_empty_object() -> None:
    assert ToolExecution("bash").input == Raw(b"{}")
    assert ToolExecution("bash", Raw(b"[]")).input == Raw(b"[]")
