"""Build hook: puts htmx, as the django-htmx wheel ships it, into static/vendor/, if it is the file we reviewed.

Runs for `pip install -e .` too. django-htmx is a build requirement only; Django never enters the runtime.
"""

import hashlib
from importlib.resources import files
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = "static/django_htmx/htmx-4.min.js"
SHA256 = "28fae7bbe8e8142b702debb9d5234a9a436d9435a4b5165b195aa1a7ed840d25"


class VendorHtmx(BuildHookInterface):
    def initialize(self, version, build_data):
        content = files("django_htmx").joinpath(SOURCE).read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != SHA256:
            raise RuntimeError(f"{SOURCE} of django-htmx has sha256 {found}, expected {SHA256}")
        target = Path(self.root, "static", "vendor", "htmx.min.js")
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)
