# Two stages: the first builds the environment, the second holds it, the source and the trained models, and no tools.
# The base is any Debian with Python 3.11 or later, or with none: then Debian's is installed.
#   docker build --build-arg PIP_EXTRA_INDEX_URL=... .    an index with CPU builds of torch saves several GB of CUDA
#   docker run --publish 127.0.0.1:8000:8000 IMAGE
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
ARG PIP_EXTRA_INDEX_URL
RUN python3 -c 'import ensurepip' 2>/dev/null \
    || (apt-get update -qq && apt-get install -y -qq --no-install-recommends python3 python3-venv ca-certificates)
WORKDIR /srv/maskscope
RUN python3 -m venv .venv
COPY pyproject.toml constraints.txt hatch_build.py README.md LICENSE ./
COPY app app
COPY model model
COPY static static
COPY templates templates
RUN .venv/bin/pip install --no-cache-dir --disable-pip-version-check --constraint constraints.txt --editable .

FROM ${BASE_IMAGE}
RUN command -v python3 >/dev/null \
    || (apt-get update -qq && apt-get install -y -qq --no-install-recommends python3 && rm -rf /var/lib/apt/lists/*)
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin maskscope
COPY --from=build /srv/maskscope /srv/maskscope
WORKDIR /srv/maskscope
USER 10001
ENV MASKSCOPE_HOST=0.0.0.0 MASKSCOPE_PORT=8000 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
EXPOSE 8000
# Without proxies: the environment may name one, and it could not reach this port. 503 until the models are in memory.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["/srv/maskscope/.venv/bin/python", "-c", \
    "import os, urllib.request as r; r.build_opener(r.ProxyHandler({})).open(f'http://127.0.0.1:{os.environ[\"MASKSCOPE_PORT\"]}/readyz', timeout=2)"]
ENTRYPOINT ["/srv/maskscope/.venv/bin/maskscope", "serve"]
