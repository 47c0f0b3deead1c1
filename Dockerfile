# syntax=docker/dockerfile:1

FROM rust:1-bookworm AS build
WORKDIR /build
# Dependencies first: this layer is made anew only when they change.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src \
 && touch src/lib.rs \
 && echo 'fn main() {}' > src/main.rs \
 && cargo build --release --locked \
 && rm -r src
COPY routes.yaml ./
COPY docs ./docs
COPY src ./src
# Cargo goes by time stamps, and the copied files are older than the empty ones built above.
RUN touch src/lib.rs src/main.rs && cargo build --release --locked
RUN mkdir -m 0700 /data

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates tzdata \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /build/target/release/jobrelay /usr/local/bin/jobrelay
COPY routes.yaml /etc/jobrelay/routes.yaml
COPY --from=build --chown=10001:10001 /data /data
USER 10001:10001
# The last one: milliseconds until freed memory goes back to the system (see BENCHMARKS.md).
ENV JOBRELAY_ROUTES=/etc/jobrelay/routes.yaml \
    JOBRELAY_STORE=sqlite:/data/jobrelay.db \
    JOBRELAY_LISTEN=0.0.0.0:8080 \
    MIMALLOC_PURGE_DELAY=300
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["jobrelay", "health"]
ENTRYPOINT ["jobrelay"]
CMD ["serve"]
