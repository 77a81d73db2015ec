"""
Pictures as bytes: format, size and completeness from their headers, without decoding; and pixel work in processes of
their own.

`probe` follows the walks in `headers` and `foreign`, which look for size, `exif` orientation and end. `workers` has the
work done: `process` is the gateway's end of one worker, `frames` what the two say to each other, `worker` the other
end. Only that end imports `canvas`, `channels`, `png_chunks` and `profiles`, and with them Pillow.
"""
