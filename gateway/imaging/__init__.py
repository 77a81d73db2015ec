"""
Pictures as bytes: format, size and completeness from their headers, without decoding; and pixel work in processes of
their own.

`probe` reads headers. `workers` has the work done: `process` is the gateway's end of one worker, `frames` what the two
say to each other, `worker` the other end. Only that end imports `canvas` and `channels`, and with them Pillow.
"""
