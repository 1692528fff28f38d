"""Who is at the other end, and how it is shown: tokens, users of sockets, certificates.

================ =====================================================================
browsers         browsers that were let in: their cookies, and what their pages keep
client_tokens    which token a command shows, and whom it shows its own
peer_credentials which user is at the other end of a local connection
tls              the certificate that a host shows, exchanged while it runs; whom a client
                 believes
tokens           the tokens: made, kept hashed, checked, revoked
================ =====================================================================
"""
