"""The agent's queue: what devices gave stands on disk before they are told so, until the far side has it.

    schema      the file
    units       readings that stay together, and the digests by which what is sent again is known again
    putting     from a source into the file
    batching    what is sent next
    settling    what became of it
    spare       room that is kept free, so that a full disk can still be emptied
    durable     all of it, for an event loop
    listing     what a person is shown

Its policy: what is not yet sent is never dropped. Where there is no room, nothing more is taken, and the device keeps
its own. Of bytes that say nothing, of receipts and of digests the oldest go.
"""
