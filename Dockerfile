# One image per service from one file: docker build --build-arg SERVICE=identity -t latchkey/identity .
# The inbox and everything else of libs/devstack is never in it.
ARG BASE_IMAGE=python:3.13-slim
FROM ${BASE_IMAGE} AS wheels
WORKDIR /build
COPY requirements.lock .
RUN pip wheel --no-cache-dir --require-hashes --wheel-dir /wheels -r requirements.lock

FROM ${BASE_IMAGE}
ARG SERVICE
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MALLOC_ARENA_MAX=2 LATCHKEY_SERVICE=${SERVICE}
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    --mount=type=bind,source=requirements.lock,target=/tmp/requirements.lock \
    pip install --no-cache-dir --no-index --find-links /wheels -r /tmp/requirements.lock
COPY libs/contracts/src /app/libs/contracts/src
COPY libs/servicekit/src /app/libs/servicekit/src
COPY libs/cli/src /app/libs/cli/src
COPY services/${SERVICE} /app/services/${SERVICE}
COPY config /app/config
ENV PYTHONPATH=/app/libs/contracts/src:/app/libs/servicekit/src:/app/libs/cli/src:/app/services/${SERVICE}/src
WORKDIR /app
RUN printf '#!/bin/sh\nexec python -m latchkey_cli "$@"\n' > /usr/local/bin/latchkey && chmod 0755 /usr/local/bin/latchkey \
    && rm -rf /app/services/${SERVICE}/tests
USER 65534:65534
EXPOSE 8080 9000
ENTRYPOINT ["sh", "-c", "exec python -m ${LATCHKEY_SERVICE} \"$@\"", "latchkey"]
CMD ["all"]
