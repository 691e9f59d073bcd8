# One image for everything of ours that runs: `python -m services.contact_monitor`, `… services.notifier`, `… services.intake`,
# `… services.board`, and `python -m keepintouch …` for the tools. docs/how-to/run-with-compose.md, run-on-kubernetes.md.
#
# Python packages and the pages' style come pinned by hash. Base images are pinned by version; pin them by digest too where
# your registry tells you one (docker buildx imagetools inspect NAME).
ARG PYTHON=python:3.11.14-slim-bookworm
ARG NODE=node:20.20.2-bookworm-slim

FROM ${NODE} AS pages
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM ${PYTHON} AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv /opt/venv
COPY requirements-services.lock ./
# Nothing runs code of others here but docopt's setup.py: there is no wheel of it, and GOV.UK Notify's client needs it.
RUN /opt/venv/bin/python -m pip install --require-hashes --only-binary :all: --no-binary docopt -r requirements-services.lock \
    && /opt/venv/bin/python -m pip uninstall --yes pip setuptools

FROM ${PYTHON}
LABEL org.opencontainers.image.title="Keep in Touch" \
      org.opencontainers.image.description="Flags care leavers whose contact is stale and tells their personal advisers" \
      org.opencontainers.image.licenses="MIT"
# An answer in UTF-8 whatever the host says; no .pyc beside sources that nobody may write.
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONUTF8=1 PYTHONDONTWRITEBYTECODE=1 \
    BOARD_ASSETS_DIR=/app/govuk-frontend
WORKDIR /app
COPY --from=packages /opt/venv /opt/venv
COPY --from=pages /build/node_modules/govuk-frontend/dist/govuk govuk-frontend
COPY pyproject.toml LICENSE ./
COPY deploy/councils.yaml deploy/councils.yaml
COPY deploy/kafka deploy/kafka
COPY schemas schemas
COPY keepintouch keepintouch
COPY services services
RUN python -m compileall -q keepintouch schemas services
# Nobody's number on the host, and nothing here belongs to it: the program cannot change itself.
USER 10001:10001
CMD ["python", "-m", "keepintouch", "--help"]
