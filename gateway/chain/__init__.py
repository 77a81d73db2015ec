"""
Every request passes here, outermost first. No middleware reads a body.

`story` is around everything, so that even a refused request has an id, a line in the log and a number in the metrics;
`cors` answers preflights, which carry no key, before `auth`; `clients`, `auth` and `signed` are the door, in the order
of what they cost; `rate` counts as soon as it is known who asks; `moderation` sits inside `errors`, which it feeds.
Below all of it `gate` counts connections.

What the door goes by (`doorman.Doorkeeping`) is a value and may be replaced; what it remembers of clients stays.
"""
