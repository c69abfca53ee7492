"""hilum: the one opening through which health data enters and leaves."""

__version__ = "0.1.0"
