"""Values in, SVG out: places for the templates that draw. Knows no request."""
