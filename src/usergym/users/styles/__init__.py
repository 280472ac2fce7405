"""Tastes of simulated users: what each likes in a reply, and exact rules that say whether a reply keeps to it."""
