# Only instructions that the classic builder knows, so that every Engine can build this.
ARG GO_IMAGE=golang:1.26

FROM ${GO_IMAGE} AS build
# By this label the stage's leftovers can be pruned.
LABEL io.purser.stage=build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
# Empty: this machine's. The compiler makes programs of other machines itself, so that nothing need be emulated.
ARG GOARCH=
ARG GOARM=
RUN CGO_ENABLED=0 GOARCH=${GOARCH} GOARM=${GOARM} go build -trimpath -buildvcs=false -ldflags "-s -w -X github.com/purser-backup/purser/internal/cli.version=${VERSION}" -o /out/usr/bin/purser ./cmd/purser
# Mount points, so that a read-only root file system will do, and a place for temporary files without one.
RUN mkdir -p /out/backup /out/opt/backup /out/var/lib/purser /out/run /out/tmp && chmod 1777 /out/tmp

FROM scratch
COPY --from=build /out/ /
ARG VERSION=
LABEL org.opencontainers.image.title="purser" \
      org.opencontainers.image.description="Finds databases in Docker, dumps them, and sends them away as encrypted, incremental, duplicity-compatible backups" \
      org.opencontainers.image.source="https://github.com/purser-backup/purser" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["/usr/bin/purser", "health"]
ENTRYPOINT ["/usr/bin/purser"]
CMD ["daemon"]
