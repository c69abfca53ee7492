# hilum in a container: small, not root, everything it keeps in /data.
#
#   docker build -t hilum .
#   docker run -p 127.0.0.1:8080:8080 -v hilum:/data hilum
#
# One that makes videos by itself is larger by hundreds of megabytes: Debian's ffmpeg and a voice stand in it beside hilum.
#
#   docker build --target video -t hilum .

FROM docker.io/library/python:3.13-slim AS build
WORKDIR /build
RUN python -m venv /opt/hilum
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src ./src
RUN /opt/hilum/bin/pip install --no-cache-dir --disable-pip-version-check ".[agent,agent-simulate,mqtt,otel,passkeys,redis,s3,video]" \
    && /opt/hilum/bin/python -m compileall -q /opt/hilum/lib \
    && /opt/hilum/bin/pip uninstall --yes --quiet pip

FROM docker.io/library/python:3.13-slim AS plain
LABEL org.opencontainers.image.title="hilum" \
      org.opencontainers.image.description="A durable FHIR R4 server on SQLite or PostgreSQL" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin hilum \
    && install -d -o hilum -g hilum -m 0700 /data
COPY --from=build /opt/hilum /opt/hilum
ENV PATH=/opt/hilum/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HILUM_DATA=/data \
    HILUM_HOST=0.0.0.0 \
    HILUM_PORT=8080
USER hilum
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['HILUM_PORT'] + '/health', timeout=2)"]
ENTRYPOINT ["hilum"]
CMD ["serve"]

# Programs that hilum runs beside itself, as Debian builds them: espeak-ng is under the GPL, and so is this ffmpeg. Whoever
# passes such an image on passes them on, too, and owes what their licences ask for. docs/how-to/render-videos.md
FROM plain AS video
USER root
RUN apt-get update \
    && apt-get install --yes --no-install-recommends espeak-ng ffmpeg \
    && rm -rf /var/lib/apt/lists/*
USER hilum

# What is built where no --target is named.
FROM plain
