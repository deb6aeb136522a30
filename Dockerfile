# One image for the API, the workers and the migrations; `--target chain` makes the development chain of compose.
# Everything is installed by hash from the lock files. No compiler and no package manager's cache reach the last stage.

FROM python:3.12.8-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /build
COPY requirements.lock requirements-sandbox.lock ./
RUN python -m venv /opt/dues \
    && /opt/dues/bin/pip install --require-hashes -r requirements.lock \
    && python -m venv /opt/tools \
    && /opt/tools/bin/pip install --require-hashes -r requirements-sandbox.lock
COPY pyproject.toml README.md LICENSE ./
COPY chain ./chain
COPY gateway ./gateway
COPY workers ./workers
RUN /opt/tools/bin/hatchling build --target wheel --directory dist \
    && /opt/dues/bin/pip install --no-deps --no-index dist/*.whl

FROM node:22.12.0-bookworm-slim AS chain
WORKDIR /chain
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --omit=dev && ln -s /chain/node_modules/@foundry-rs/anvil-linux-*/bin/anvil /usr/local/bin/anvil
USER node
EXPOSE 8545
CMD ["anvil", "--host", "0.0.0.0", "--chain-id", "31337", "--block-time", "1", "--mixed-mining"]

FROM python:3.12.8-slim-bookworm AS runtime
ENV PATH=/opt/dues/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN groupadd --system --gid 10001 dues \
    && useradd --system --uid 10001 --gid dues --home-dir /var/lib/dues --create-home dues
COPY --from=build /opt/dues /opt/dues
USER 10001:10001
WORKDIR /var/lib/dues
EXPOSE 8321
ENTRYPOINT ["dues"]
CMD ["api", "--host", "0.0.0.0"]
