"""
An image-API gateway: OpenAI's Images API in front, the FLUX family and others behind.

The life of one edit, and where it lives:

    socket ── chain ───────────────► who asks, which targets are in reach           rejected here: body never read
            handlers/images ───────► the story of the request
              handlers/take ───────► Form + Blobs        parsed and bounded while it arrives, kept whole for relays
              routing/choose ──────► Targets, in order
              handlers/attempts ───► one after the other, while the last is to blame and nothing can have been paid
                handlers/relay ────────► passed on to a platform that speaks OpenAI itself; or
                dialects/openai/form ──► Edit            syntax only
                platforms/bfl ─────────► Plan            the vendor's rules and words
                handlers/pixels ───────► masks and sizes, made by `imaging` in processes of their own
                jobs/supervisor ───────► JobHandle       joins the same running job, or starts one
                  jobs/submission ◄──────────────┐       from here the job is owned, not the connection's
                    jobs/charge, jobs/queue      │       the key's limits, a slot by the key's weight
                    stores/ledger: INTENT        │       the point after which money may be spent
                    jobs/breaker                 │
                    upstream/session             │
                    platforms/bfl ► Outcome ─────┘       working: jobs/pace says when to ask again
                    upstream/download ► Blob
                handlers/answer ───────► dialects/openai/reply, handlers/respond    the point of no return
            chain unwinds

Packages in travel order: `chain, handlers, jobs, platforms, upstream`. Below them the words (`routing, dialects, wire,
domain`: pure, no I/O), the memory (`stores`), pictures' headers and pixels (`imaging`), what operators see
(`telemetry`) and wrote (`config`). `app` constructs everything; `cli` is the command line; `emulator` is BFL in a box
and knows nobody.
Imports point down only; setup.cfg holds the rule.
"""

__version__ = "0.1.0"
