"""The listening side: connections, requests, who may ask, routes.

=============== =====================================================================
access_log      what the log says of a request, without what is secret
admission       who may be connected and how often they may ask; descriptors; the sockets'
                options
authentication  the gate: names, pages, users, tokens, before anything is read or routed
channel         one connection: its bytes become requests, whole and in time, or none; its one
                timer
framing         where a request begins and ends: heads and chunks, strict and pure
metrics         `/metrics`
openapi         the contract, from the routes and their types
parameters      what handlers are given: from the path, the query, the body
rendering       status and headers of answers and refusals
request_context what is known of a request: its id, caller, route, response format
responses       how a face's answers and refusals look
router          routes as data, and the one place where a request meets its handler
site            listening side: bodies bounded while they arrive, access log, draining
websocket       a request's connection becomes a WebSocket: protocol and limits, for every
                face
stream_response A response that a subscription writes to for as long as its client listens
=============== =====================================================================
"""
