"""The native face: the host's verbs as routes, streams and a WebSocket.

========== =====================================================================
about      `/` and `/openapi.json`
agents     the routes to hosted agents
events     logs over HTTP: read once, or followed
hooks      agents' hooks over HTTP, answered once the answer is known
login_page the page for whoever opens a login's link ahead of a person
notify     notifications over HTTP
sessions   sessions, events, messages: a table of routes to verbs
telemetry  telemetry over HTTP
tokens     tokens and logins over HTTP
websocket  the log over a WebSocket: subscriptions by message, many on one connection
========== =====================================================================
"""
