"""The demo city's matters: two told cases by hand, and two hundred generated from building blocks."""
