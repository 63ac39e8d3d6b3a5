"""What the five services share: contracts, law and the chassis they stand on."""

__version__ = "0.1.0"
