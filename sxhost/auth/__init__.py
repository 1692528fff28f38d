"""Authentication: tokens, browsers' cookies, users of local sockets, certificates.

================ =====================================================================
browsers         browsers that are logged in: their cookies and page secrets
client_tokens    which token a client shows to which host
peer_credentials the user (uid) at the other end of a local connection
tls              the certificate that a host shows, reloaded while it runs; the authorities
                 that a client trusts
tokens           the host's tokens: made, stored as hashes, checked, revoked
================ =====================================================================
"""
