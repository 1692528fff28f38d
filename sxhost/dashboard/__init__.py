"""The dashboard: a page in the browser that shows every session, and lets a person answer.

======= =======================================================================
assets  the page's files in memory, with the headers that confine it
routes  ``/`` for a browser, ``/worker.js``, and ``/ui/VERSION/…``
======= =======================================================================

`static` has the page itself: plain ES modules, which run as they stand there.  It is an
ordinary client of the host's public routes.  `static/vendor` has its libraries; ``.ci/vendor``
fetches them, and nothing else ever does.
"""
