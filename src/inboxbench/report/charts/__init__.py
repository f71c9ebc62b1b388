"""Charts as geometry: plain values that the templates draw as inline SVG.

Horizontal positions are percentages and vertical ones pixels, so that a chart fills a phone and a wide screen
alike without its text growing or shrinking. No charting library draws that way, a heat map of words, and both
colour schemes from one style sheet without a script; hence these few functions instead of a dependency.
"""
