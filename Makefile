# Everything here works on a fresh Debian machine, as root: the scripts install what they miss.
.PHONY: build image demo test lint bench

build: ## bin/purser, for this machine
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/purser ./cmd/purser

image: ## purser:latest, in the Docker Engine that is there
	scripts/image

demo: ## the main job on real databases, step by step
	scripts/demo

test: ## all tests, on real parts
	scripts/test

lint: ## gofmt, go vet, staticcheck, shellcheck
	scripts/lint

bench: ## the Go benchmarks
	go test -run '^$$' -bench . -benchmem ./...
