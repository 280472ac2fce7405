"""Train and evaluate language-model agents with simulated users."""

__version__ = "0.1.0"
