# Everything here works on a fresh Debian machine, as root: the scripts install what they miss.
.PHONY: build image images demo test engines soak lint bench

build: ## bin/purser, for this machine
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/purser ./cmd/purser

image: ## purser:latest, in the Docker Engine that is there
	scripts/image

images: ## purser:latest, and purser:latest-arm64 and so on for the other machines
	PLATFORMS='linux/amd64 linux/arm64 linux/arm/v7' scripts/image

demo: ## the main job on real databases, step by step
	scripts/demo

test: ## all tests, on real parts
	scripts/test

engines: ## the main job on other Engines: Docker 20.10, 26.1 and 28.5, rootless, and Podman
	scripts/engines

soak: ## the long tests whole, and each fuzz target for ten minutes (FUZZTIME=10m): hours
	scripts/soak

lint: ## gofmt, go vet, staticcheck, shellcheck
	scripts/lint

bench: ## purser beside restic, borg and duplicity (RUNS=3, SIZE=100, TABLES=comparison,dumps); the stages by themselves: go test -bench . ./engine/...
	scripts/bench
