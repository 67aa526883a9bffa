"""JSON, versioned. Thin over the domain calls; never imports a page."""
