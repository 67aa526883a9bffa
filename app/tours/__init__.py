"""The tour: six steps on the visualizer's figure, each a question that is guessed before the figure answers it.

Imports catalog, charts and below; the page that shows it draws it by templates/visualizer/_tour.html.
"""
