# Two stages: the first builds the wheel and an environment that holds it, the second is that environment, no compiler.
# The base is any Debian with Python 3.11 or later, or with none: then Debian's is installed. BASE_DIGEST pins it.
#   docker build --build-arg BASE_DIGEST=sha256:... -t maskscope .
#   docker run --publish 127.0.0.1:8000:8000 maskscope
ARG BASE_IMAGE=python:3.11-slim-bookworm
ARG BASE_DIGEST

FROM ${BASE_IMAGE}${BASE_DIGEST:+@${BASE_DIGEST}} AS build
ARG PIP_EXTRA_INDEX_URL
RUN python3 -c 'import ensurepip' 2>/dev/null \
    || (apt-get update -qq && apt-get install -y -qq --no-install-recommends python3 python3-venv ca-certificates)
WORKDIR /srv/maskscope
RUN python3 -m venv .venv
COPY pyproject.toml constraints.txt hatch_build.py README.md LICENSE ./
COPY .ci .ci
COPY app app
COPY model model
COPY static static
COPY templates templates
# The epoch has bytecode compared with its source by content: some builders round file times, and by those much of it
# would be stale, and compiled anew at each start.
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 SOURCE_DATE_EPOCH=315532800
RUN .venv/bin/pip wheel --no-deps --wheel-dir dist . && MASKSCOPE_WHEEL='dist/*.whl' sh .ci/install

FROM ${BASE_IMAGE}${BASE_DIGEST:+@${BASE_DIGEST}}
RUN command -v python3 >/dev/null \
    || (apt-get update -qq && apt-get install -y -qq --no-install-recommends python3 \
        && rm -rf /var/lib/apt/lists/* /var/cache/apt/*)
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin maskscope
COPY --from=build /srv/maskscope/.venv /srv/maskscope/.venv
WORKDIR /srv/maskscope
USER 10001
ENV MASKSCOPE_HOST=0.0.0.0 MASKSCOPE_PORT=8000 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
EXPOSE 8000
# Without proxies: the environment may name one, and it could not reach this port. 503 until the models are in memory.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["/srv/maskscope/.venv/bin/python", "-c", \
    "import os, urllib.request as r; r.build_opener(r.ProxyHandler({})).open(f'http://127.0.0.1:{os.environ[\"MASKSCOPE_PORT\"]}/readyz', timeout=2)"]
ENTRYPOINT ["/srv/maskscope/.venv/bin/maskscope", "serve"]
