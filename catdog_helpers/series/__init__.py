"""Running the series: read chapters, run them, store outputs, repeat over seeds, make handouts."""
