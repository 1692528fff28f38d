"""One daemon through which you see, steer and answer every coding agent."""

__version__ = "0.1.0"
