"""HTTP/1 byte by byte: requests that are wrong in every way, and answers as they came."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

NEXT = b"GET /sessions HTTP/1.1\r\nHost: x\r\n\r\n"
"""A second request behind each case; nobody may answer it if the first one was refused."""

BODY = b'{"event":"thinking"}'


class Reply(NamedTuple):
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def replies(data: bytes, *, final: bool = True) -> list[Reply]:
    """Read answers one behind the other; `final` leaves out ``100 Continue``."""
    found = []
    while data:
        head, end, data = data.partition(b"\r\n\r\n")
        assert end, head
        first, *lines = head.decode().split("\r\n")
        line = re.fullmatch(r"HTTP/1\.[01] (\d{3}) .*", first)
        assert line, first
        headers = {n.lower(): v for n, _, v in (text.partition(": ") for text in lines)}
        size = int(headers.get("content-length", 0))
        if not data or data.startswith(b"HTTP/1."):  # it was HEAD that was asked
            size = 0
        assert len(data) >= size, "cut off"
        found.append(Reply(int(line[1]), headers, data[:size]))
        data = data[size:]
    return [reply for reply in found if reply.status >= 200 or not final]


def get(
    *lines: bytes, line: bytes = b"GET /health HTTP/1.1", host: bytes = b"Host: x"
) -> bytes:
    """Return a request without a body."""
    given = [line, *([host] if host else []), *lines]
    return b"\r\n".join([*given, b"", b""])


def post(*lines: bytes, body: bytes = BODY, version: bytes = b"1.1") -> bytes:
    """Return a request that fires an event."""
    line = b"POST /sessions/a/events HTTP/" + version
    return get(*lines, line=line) + body


def chunked(body: bytes, *lines: bytes) -> bytes:
    """Return a request with a chunked body, as it stands."""
    return post(b"Transfer-Encoding: chunked", *lines, body=body)


WHOLE = b"14\r\n" + BODY + b"\r\n"
TE, CL = b"Transfer-Encoding: chunked", b"Content-Length: 20"
LAST = b"0\r\n\r\n"

REFUSED: dict[str, tuple[bytes, int, str]] = {
    # Which of two lengths?
    "CL then TE": (post(CL, TE, body=LAST), 400, "bad_framing"),
    "TE then CL": (post(TE, CL, body=LAST), 400, "bad_framing"),
    "CL 0 then TE": (post(b"Content-Length: 0", TE, body=LAST), 400, "bad_framing"),
    "two CL, the same": (post(CL, CL), 400, "bad_framing"),
    "two CL, not the same": (post(CL, b"Content-Length: 5"), 400, "bad_framing"),
    "CL twice in one": (post(b"Content-Length: 20, 20"), 400, "bad_framing"),
    # Which number?
    "CL with a plus": (post(b"Content-Length: +20"), 400, "bad_framing"),
    "CL below nothing": (post(b"Content-Length: -1"), 400, "bad_framing"),
    "CL in hex": (post(b"Content-Length: 0x14"), 400, "bad_framing"),
    "CL with an underscore": (post(b"Content-Length: 2_0"), 400, "bad_framing"),
    "CL in other digits": (post("Content-Length: ٢٠".encode()), 400, "bad_framing"),
    "CL with a vertical tab": (post(b"Content-Length: \x0b20"), 400, "bad_framing"),
    "CL with a fraction": (post(b"Content-Length: 20.0"), 400, "bad_framing"),
    "CL of nothing": (post(b"Content-Length:"), 400, "bad_framing"),
    "CL beyond counting": (post(b"Content-Length: " + b"9" * 5000), 400, "bad_framing"),
    # Which coding?
    "TE xchunked": (post(b"Transfer-Encoding: xchunked", body=LAST), 501, "not_implemented"),
    "TE chunked, identity": (
        post(b"Transfer-Encoding: chunked, identity", body=LAST), 501, "not_implemented",
    ),
    "TE gzip, chunked": (
        post(b"Transfer-Encoding: gzip, chunked", body=LAST), 501, "not_implemented",
    ),
    "TE identity": (post(b"Transfer-Encoding: identity"), 501, "not_implemented"),
    "TE identity and CL": (post(CL, b"Transfer-Encoding: identity"), 400, "bad_framing"),
    "TE quoted": (post(b'Transfer-Encoding: "chunked"', body=LAST), 501, "not_implemented"),
    "TE of nothing": (post(b"Transfer-Encoding:", body=LAST), 501, "not_implemented"),
    "two TE": (post(TE, TE, body=LAST), 400, "bad_framing"),
    "two TE, the second nonsense": (
        post(TE, b"Transfer-Encoding: x", body=LAST), 400, "bad_framing",
    ),
    "TE in HTTP/1.0": (post(TE, body=LAST, version=b"1.0"), 400, "bad_framing"),
    "TE behind a vertical tab": (
        post(b"Transfer-Encoding: \x0bchunked", body=LAST), 400, "bad_framing",
    ),
    # Which header?
    "a space before the colon": (post(b"Content-Length : 20"), 400, "bad_framing"),
    "a tab before the colon": (post(b"Transfer-Encoding\t: chunked"), 400, "bad_framing"),
    "a folded line": (get(b"X: a", b" b"), 400, "bad_framing"),
    "a folded length": (post(b"Content-Length:", b" 20"), 400, "bad_framing"),
    "a space before the first header": (
        get(host=b" Host: x"), 400, "bad_framing",
    ),
    "no colon": (get(b"nonsense"), 400, "bad_framing"),
    "no name": (get(b": x"), 400, "bad_framing"),
    "a name with a space": (get(b"X Y: z"), 400, "bad_framing"),
    "a name with an odd byte": (get(b"X\xff: z"), 400, "bad_framing"),
    "a name with a bracket": (get(b"X(Y: z"), 400, "bad_framing"),
    "NUL in a value": (get(b"X: a\0b"), 400, "bad_framing"),
    "a bare CR in a value": (get(b"X: a\rContent-Length: 5"), 400, "bad_framing"),
    "a bare LF in a value": (get(b"X: a\nContent-Length: 5"), 400, "bad_framing"),
    "an escape in a value": (get(b"X: \x1b[2J"), 400, "bad_framing"),
    "a value that is no text": (get(b"Origin: \xff"), 400, "bad_framing"),
    # Which host?
    "no Host": (get(host=b""), 400, "bad_framing"),
    "two Hosts": (get(b"Host: x"), 400, "bad_framing"),
    "an empty Host": (get(host=b"Host:"), 400, "bad_framing"),
    "Host twice in one": (get(host=b"Host: x, x"), 403, "forbidden_host"),
    "another absolute host": (
        get(line=b"GET http://evil.test/health HTTP/1.1"), 400, "bad_framing",
    ),
    "an absolute target of another kind": (
        get(line=b"GET ftp://x/health HTTP/1.1"), 400, "bad_framing",
    ),
    # Which of them does a proxy drop?
    **{
        f"Connection names {name.decode()}": (
            post(CL, b"X: y", b"Connection: keep-alive, " + name), 400, "bad_framing",
        )
        for name in (
            b"Content-Length", b"transfer-encoding", b"HOST", b"Authorization", b"cookie",
            b"X-Forwarded-For", b"Expect",
        )
    },
    "a second Connection names Host": (
        get(b"Connection: keep-alive", b"Connection: x,\t host"), 400, "bad_framing",
    ),
    # Which request?
    "a bare CR in the request line": (get(line=b"GET /health\rHTTP/1.1"), 400, "bad_framing"),
    "a bare LF in the request line": (
        get(line=b"GET /health HTTP/1.1\nX: y"), 400, "bad_framing",
    ),
    "NUL in the target": (get(line=b"GET /a\0b HTTP/1.1"), 400, "bad_framing"),
    "an escaped NUL in the path": (
        get(line=b"GET /sessions/a%00b HTTP/1.1"), 400, "bad_framing",
    ),
    "an escaped newline in the path": (
        get(line=b"GET /sessions/a%0Ab HTTP/1.1"), 400, "bad_framing",
    ),
    "two spaces": (get(line=b"GET  /health HTTP/1.1"), 400, "bad_framing"),
    "a tab for a space": (get(line=b"GET\t/health HTTP/1.1"), 400, "bad_framing"),
    "a space at the end": (get(line=b"GET /health HTTP/1.1 "), 400, "bad_framing"),
    "a space at the beginning": (get(line=b" GET /health HTTP/1.1"), 400, "bad_framing"),
    **{
        f"a method in other letters: {name.decode()}": (
            get(line=name + b" /health HTTP/1.1"), 501, "not_implemented",
        )
        for name in (b"get", b"Get", b"head", b"delete", b"post", b"oPTIONS", b"gET")
    },
    "a method that is not known": (get(line=b"BREW /health HTTP/1.1"), 501, "not_implemented"),
    "a method that is longer": (get(line=b"GETX /health HTTP/1.1"), 501, "not_implemented"),
    "a method that is no word": (get(line=b"G{T /health HTTP/1.1"), 400, "bad_framing"),
    "no slash": (get(line=b"GET health HTTP/1.1"), 400, "bad_framing"),
    "a star": (get(line=b"OPTIONS * HTTP/1.1"), 400, "bad_framing"),
    "CONNECT": (get(line=b"CONNECT x:443 HTTP/1.1"), 501, "not_implemented"),
    "a fragment": (get(line=b"GET /health#x HTTP/1.1"), 400, "bad_framing"),
    "HTTP/0.9": (b"GET /health\r\n", 400, "bad_framing"),
    "HTTP/1.2": (get(line=b"GET /health HTTP/1.2"), 505, "version_not_supported"),
    "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "version_not_supported"),
    "a version in lower case": (get(line=b"GET /health http/1.1"), 400, "bad_framing"),
    "a longer version": (get(line=b"GET /health HTTP/1.10"), 400, "bad_framing"),
    "nine empty lines": (b"\r\n" * 9 + get(), 400, "bad_framing"),
    "an empty line with a space": (b" \r\n" + get(), 400, "bad_framing"),
    "an empty line that ends in LF": (b"\n" + get(), 400, "bad_framing"),
    "TLS": (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n", 400, "bad_framing"),
    # Which chunk?
    "a chunk of 2^72": (chunked(b"1" + b"0" * 18 + b"\r\n"), 400, "bad_framing"),
    "a chunk of 2^64": (chunked(b"1" + b"0" * 16 + b"\r\n"), 400, "bad_framing"),
    "a chunk of 2^63": (chunked(b"8" + b"0" * 15 + b"\r\n"), 400, "bad_framing"),
    "a chunk below nothing": (chunked(b"-1\r\n" + WHOLE + LAST), 400, "bad_framing"),
    "a chunk with a plus": (chunked(b"+14\r\n" + BODY + b"\r\n" + LAST), 400, "bad_framing"),
    "a chunk in 0x": (chunked(b"0x14\r\n" + BODY + b"\r\n" + LAST), 400, "bad_framing"),
    "a chunk in nonsense": (chunked(b"xyz\r\n" + WHOLE + LAST), 400, "bad_framing"),
    "a chunk of no size": (chunked(b"\r\n" + WHOLE + LAST), 400, "bad_framing"),
    "a chunk with a space before": (chunked(b" " + WHOLE + LAST), 400, "bad_framing"),
    "a chunk that is too long": (
        chunked(b"13\r\n" + BODY + b"\r\n" + LAST), 400, "bad_framing",
    ),
    "a chunk that ends in LF": (chunked(b"14\r\n" + BODY + b"\n" + LAST), 400, "bad_framing"),
    "a size that ends in LF": (chunked(b"14\n" + BODY + b"\r\n" + LAST), 400, "bad_framing"),
    "a bare CR behind a size": (chunked(b"14\rX" + BODY), 400, "bad_framing"),
    "NUL in an extension": (
        chunked(b"14;\0\r\n" + BODY + b"\r\n" + LAST), 400, "bad_framing",
    ),
    "a long extension": (
        chunked(b"14;" + b"x" * 300 + b"\r\n" + BODY + b"\r\n" + LAST), 400, "bad_framing",
    ),
    "a trailer that is none": (chunked(WHOLE + b"0\r\nnonsense\r\n\r\n"), 400, "bad_framing"),
    "endless trailers": (
        chunked(WHOLE + b"0\r\n" + b"X: y\r\n" * 20_000), 400, "bad_framing",
    ),
    # Too much.
    "another expectation": (get(b"Expect: bogus"), 417, "expectation_failed"),
    "a long header": (get(b"X: " + b"x" * 17_000), 431, "header_too_large"),
    "a long header without an end": (
        get(b"X: " + b"x" * 40_000)[:-4], 431, "header_too_large",
    ),
    "many long headers": (get(*[b"X: " + b"x" * 1000] * 20), 431, "header_too_large"),
    "101 headers": (get(*[b"X: y"] * 100), 431, "header_too_large"),
    "a long target": (get(line=b"GET /%s HTTP/1.1" % (b"x" * 9000)), 414, "uri_too_long"),
    "a target of 20 KB": (
        get(line=b"GET /%s HTTP/1.1" % (b"x" * 20_000)), 414, "uri_too_long",
    ),
    "a target without an end": (b"GET /" + b"x" * 20_000, 414, "uri_too_long"),
}  # fmt: skip
"""Requests with the status and code that they are refused with."""

ACCEPTED: dict[str, bytes] = {
    "a length": post(CL),
    "a length with zeros": post(b"Content-Length: 00020"),
    "a name in lower case": post(b"content-length:20"),
    "blanks around a value": post(b"Content-Length: \t20 \t"),
    "chunks": chunked(WHOLE + LAST),
    "chunks in capitals": post(b"Transfer-Encoding: CHUNKED", body=WHOLE + LAST),
    "chunks of a byte": chunked(b"".join(b"1\r\n%c\r\n" % c for c in BODY) + LAST),
    "a size with zeros": chunked(b"000" + WHOLE + LAST),
    "an extension": chunked(b"14;a=b\r\n" + BODY + b"\r\n" + LAST),
    "an extension behind a blank": chunked(b"14 ; a\r\n" + BODY + b"\r\n" + LAST),
    "trailers": chunked(WHOLE + b"0\r\nX: y\r\nZ: z\r\n\r\n"),
    "an expectation": post(CL, b"Expect: 100-Continue"),
    "an empty line before": b"\r\n" + post(CL),
    "eight empty lines before": b"\r\n" * 8 + post(CL),
    "a connection that is kept": post(CL, b"Connection: keep-alive, x", b"Connection:"),
    "a connection that is not closed": post(
        CL, b"Connection: closed, x-close", b"Connection: y"
    ),
    "what concerns the connection": post(CL, b"TE: trailers", b"Connection: TE, X", b"X: y"),
    "an absolute target": post(CL).replace(b"/sessions", b"http://X/sessions"),
    "another scheme": post(CL).replace(b"/sessions", b"HTTPS://x/sessions"),
    "text": post(CL, "X: wörter".encode()),
    "99 more fields": post(CL, *[b"X: y"] * 98),
}
"""Requests that are answered with 200, and so is the one behind them."""

CLOSING = {
    "close": get(b"Connection: close"),
    "Close": get(b"Connection: Close"),
    "close, x": get(b"Connection: close, x"),
    "x, close": get(b"Connection: x, close"),
    "x,close,y": get(b"Connection: x,close,y"),
    "keep-alive, close": get(b"Connection: keep-alive, close"),
    "empty words": get(b"Connection: ,, close ,"),
    "a tab": get(b"Connection: x,\tclose\t"),
    "the second line": get(b"Connection: keep-alive", b"Connection: close"),
    "the second of three": get(b"connection: x", b"CONNECTION: close, y", b"Connection: z"),
    "Upgrade too": get(b"Connection: Upgrade, close", b"Upgrade: h2c"),
    "HTTP/1.0": get(line=b"GET /health HTTP/1.0"),
    "HTTP/1.0, keep-alive": get(b"Connection: keep-alive", line=b"GET /health HTTP/1.0"),
    "HTTP/1.0, a list": get(b"Connection: x, Keep-Alive", line=b"GET /health HTTP/1.0"),
}
"""Requests that are answered, and the one behind them is not."""

MESSAGE = b'{"content":"go on","from":"me"}'
NDJSON = b"Content-Type: application/x-ndjson"
HONEST = [
    get(line=b"GET /sessions?state=idle&label=team:x HTTP/1.1"),
    get(line=b"GET /sessions/a/events?after=0&limit=3 HTTP/1.1"),
    get(b"Authorization: Bearer sx_0123", b"Cookie: a=b; sxhost-0=c", b"Origin: http://x"),
    get(b"X-Forwarded-For: 10.0.0.1", b"Sec-Fetch-Site: same-origin", b"Accept: */*"),
    get(line=b"HEAD /status HTTP/1.1"),
    get(line=b"DELETE /sessions/b HTTP/1.1"),
    get(line=b"OPTIONS /sessions HTTP/1.1"),
    post(NDJSON, b"Content-Length: 41", body=BODY + b"\n" + BODY),
    chunked(WHOLE + b"1\r\n\n\r\n" + WHOLE + LAST, NDJSON),
    get(CL, line=b"POST /sessions/b/register HTTP/1.1") + b'{"title":"a title!"}',
    get(b"Content-Length: 31", line=b"POST /sessions/a/messages HTTP/1.1") + MESSAGE,
]
"""Requests of other kinds."""

SEEDS = [
    *HONEST,
    *ACCEPTED.values(),
    *(said for said, _, _ in REFUSED.values() if len(said) < 2000),
]
"""What mutations begin with."""

SPICE = [
    b"\r\n",
    b"\r",
    b"\n",
    b"\0",
    b" ",
    b":",
    b"\t",
    b"0\r\n\r\n",
    b"chunked",
    CL + b"\r\n",
]
"""What mutations put in."""

REQUEST = re.compile(rb"HTTP/1\.[01]")


def check(said: bytes, answers: list[Reply]) -> None:
    """Check that no more was answered than was asked, and nothing behind a refusal."""
    assert len(answers) <= len(REQUEST.findall(said)) + said.startswith(b"G")
    for reply in answers:
        assert reply.status < 500 or reply.status in (501, 505)
    closing = [reply.headers.get("connection") == "close" for reply in answers]
    assert not any(closing[:-1])
