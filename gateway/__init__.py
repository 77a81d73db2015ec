"""
An image-API gateway: OpenAI's Images API in front, FLUX.1 Kontext and others behind.

The life of one edit, and where it lives:

    socket ── chain ───────────────► who asks, which targets are in reach           rejected here: body never read
            handlers/image_edits ──► the story of the request
              handlers/receive ────► Form + Blobs        parsed and bounded while it arrives
              dialects/openai/form ► Edit                syntax only
              routing/choose ──────► Target
              platforms/bfl ───────► Plan                the vendor's rules and words
              jobs/supervisor ─────► JobHandle           joins the same running job, or starts one
                jobs/submission ◄──────────────┐         from here the job is owned, not the connection's
                  jobs/queue                   │
                  stores/ledger: INTENT        │         the point after which money may be spent
                  upstream/session             │
                  platforms/bfl ► Outcome ─────┘         working: jobs/pace says when to ask again
                  upstream/download ► Blob
              handlers/answer ─────► dialects/openai/reply, handlers/respond      the point of no return
            chain unwinds

Packages in travel order: `chain, handlers, jobs, platforms, upstream`. Below them the words (`routing, dialects, wire,
domain`: pure, no I/O), the memory (`stores`), pictures' headers and pixels (`imaging`), what operators see
(`telemetry`) and wrote (`config`). `app` constructs everything; `cli` is the command line; `emulator` is BFL in a box and knows nobody.
Imports point down only; setup.cfg holds the rule.
"""

__version__ = "0.1.0"
