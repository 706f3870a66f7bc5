# A worker, or any other command of Elexirion: docker run IMAGE --help
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/build && python -m venv --without-pip /opt/elexirion
WORKDIR /src
# The dependencies change rarely and come first, so that a change of code reuses their layer.
COPY requirements requirements
RUN /opt/build/bin/pip install --no-deps --require-hashes --only-binary :all: -r requirements/build.lock \
 && /opt/build/bin/pip --python /opt/elexirion/bin/python install \
      --no-deps --require-hashes --only-binary :all: -r requirements/runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY events events
COPY pipelines pipelines
COPY projections projections
COPY agents agents
COPY client client
COPY console console
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /tmp/wheel . \
 && /opt/build/bin/pip --python /opt/elexirion/bin/python install --no-deps --no-index /tmp/wheel/*.whl

FROM python:${PYTHON}-slim
RUN useradd --uid 10001 --create-home --home-dir /var/lib/elexirion elexirion
COPY --from=build /opt/elexirion /opt/elexirion
ENV PATH=/opt/elexirion/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ELEXIRION_HOME=/var/lib/elexirion
USER elexirion
WORKDIR /var/lib/elexirion
# Nothing is written but here and below /tmp: the root may be read-only.
VOLUME /var/lib/elexirion
# Metrics and health, where ELEXIRION_HTTP_PORT says so.
EXPOSE 9464
# A worker drains on SIGTERM: it finishes what it holds and hands back the rest.
STOPSIGNAL SIGTERM
ENTRYPOINT ["elexirion"]
CMD ["worker"]
