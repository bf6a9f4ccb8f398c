"""Experiments: arms and seeds from a TOML file, trained, judged, paired with a base arm, told on one page."""
