"""The listening side: connections, requests, who may ask, routes.

access_log        the log's entry of a request, without secrets
admission         limits of connections, requests and buffered bytes; socket options
authentication    who asks, and from which page, before anything is read or routed
channel           one connection: its bytes become requests that are whole and in time
channel_contracts what a connection knows of its requests and of the site
chunks            chunked bodies, decoded strictly and within bounds: pure
compression       answers compressed for clients that ask for it
deadline          the one timer of a connection
direct_request    a request that goes straight to its handler, and its answer back in one write
direct_routes     which requests may: a table of routes, and what is plain
direct_send       bytes sent at once, where nothing waits before them
framing           strict framing of requests: their heads, which llhttp parses: pure
guard             what was decided for a connection's last request, remembered
metrics           `/metrics`
openapi           the contract, from the routes and their types
parameters        what handlers are given: from the path, the query, the body
readiness         whether the host takes requests, for balancers
rendering         status and headers of answers and refusals
request_context   what is known of a request: its id, caller, route, response format
responses         how a face's answers and refusals look
router            the dispatch of requests to the handlers of routes, made with Klein
routes            routes as data: a method and a path, and the handler that answers there
site              the site and its requests: bodies limited as they arrive, access log, draining
stream_response   a response that a subscription writes to until its client leaves
websocket         a request's connection becomes a WebSocket, for every face
================= =====================================================================
=======
=================== =====================================================================
access_log          the log's entry of a request, without secrets
admission           limits of connections, requests and buffered bytes; socket options
authentication      who asks, and from which page, before anything is read or routed
channel             one connection: its bytes become requests that are whole and in time
channel_contracts   what a connection knows of its requests and of the site
chunks              chunked bodies, decoded strictly and within bounds: pure
compression         answers compressed for clients that ask for it
deadline            the one timer of a connection
direct_request      a request straight to its handler, and its answer back in one write
direct_routes       which requests may: a table of routes, and what is plain
direct_send         bytes sent at once, where nothing waits before them
framing             strict framing of requests: their heads, which llhttp parses: pure
guard               what was decided for a connection's last request, remembered
metrics             `/metrics`
openapi             the contract, from the routes and their types
parameters          what handlers are given: from the path, the query, the body
readiness           whether the host takes requests, for balancers
rendering           status and headers of answers and refusals
request_context     what is known of a request: its id, caller, route, response format
responses           how a face's answers and refusals look
router              the dispatch of requests to the handlers of routes, made with Klein
routes              routes as data: a method and a path, and the handler that answers there
site                the site and its requests: bodies limited as they come, access log, draining
stream_response     a response that a subscription writes to until its client leaves
websocket           a WebSocket: its messages, limits, pings and close, for every face
websocket_frames    a WebSocket's bytes as frames, long ones in fragments: pure
websocket_handshake a request becomes a WebSocket
=================== =====================================================================
"""
