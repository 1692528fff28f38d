"""Make ``twistd sxhost`` known to Twisted."""

from twisted.application.service import ServiceMaker

sxhost = ServiceMaker(
    "sxhost", "sxhost.tap", "See, steer and answer every coding agent.", "sxhost"
)
