"""A local, stateful stand-in for Stripe's payout API: the provider of demo mode and the test double of record.

It holds no real money and can reach none: every answer says ``livemode: false`` and every id contains ``_sbx``.
State lives in one SQLite file, so a payout once made is never forgotten by a restart. ``server`` answers HTTP on
loopback only and delivers webhooks to loopback only; ``seeding`` prepares accounts without HTTP. Time is that of its
own clock, by which payouts may move by themselves. Not a copy of all of Stripe: an endpoint that is not here answers
404.
"""
