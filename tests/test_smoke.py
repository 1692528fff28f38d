from .lab import Lab


def test_health(lab: Lab) -> None:
    assert lab.request("GET", "/health").body == b'{"status":"ok"}'
