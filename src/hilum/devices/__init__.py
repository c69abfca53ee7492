"""The gateway that devices push to: bundles, HL7 v2 and MQTT in, each once; who may push for whom; what waits.

A batch is known by its identifier. Its receipt is written in the commit that stores it, so that the same batch gets the
first outcome whenever and however often it comes.
"""
