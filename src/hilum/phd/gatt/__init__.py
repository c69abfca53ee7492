"""Health characteristics of Bluetooth LE: what they say, bit by bit, both ways.

Each service is a file, each characteristic a value with `decode` and `encode`: what was decoded, encoded and decoded
again is the same, digit by digit. A service's `readings` says the same as `hilum.phd.reading` has it. Sources: the
Bluetooth SIG's GATT Specification Supplement and the profile of each service; MDC codes after its Personal Health
Devices Transcoding paper.

What a newer profile may add is treated by what it can do. A flag that stands for fields that we don't know, and a code
that we don't know: refused, for what follows or what is meant would be guessed. A bit of a set (status, features):
kept in the value, and not said in readings, for it changes nothing else.
"""
