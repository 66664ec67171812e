# Needs Go, make and git; everything else comes through the Go module proxy.
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
TESTFLAGS ?=
BENCHFLAGS ?=

LDFLAGS = -s -w -X github.com/keyfob/keyfob/internal/build.version=$(VERSION)
GOBUILD = CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "$(LDFLAGS)"

.PHONY: build quickstart test test-postgres soak test-clients lint gen gate bench bench-serve bench-scale bench-sim clean

build:
	$(GOBUILD) -o bin/keyfob ./cmd/keyfob
	$(GOBUILD) -o bin/keyfobd ./cmd/keyfobd

quickstart: build
	bin/keyfob quickstart

test:
	go test $(TESTFLAGS) ./...

lint:
	go tool -modfile=tools/go.mod golangci-lint run --allow-parallel-runners

# what the suites of core and server say of many at once, of order and of pages, on PostgreSQL: its rows decide there what SQLite's one
# writer decides in `make test`. `make soak` runs all of them on it.
ON_POSTGRES = Crowd.*|.*WhileRowsChange|OneDecision|OneSessionOfOneGrant|TwoLinksToOneAddress|OneAccountOfOneIdentity|StateIsSpentOnce \
	|FirstMaterialWins|TwoLastOwnersAtOnce|Parallel.*|ALinkIsUsedOnce|NoMoreTriesAtOnceThanOneByOne|TokenWhileItsUserIsRemoved \
	|UseInParallel|UseIsCountedOnce|RevokedUnderLoad|ListsAreFilteredAndSorted|NamesThatAreTheSame|AnotherProcess.*|TextThatNoStoreHolds \
	|ATokenIsTakenOnceByReplicas
empty =

test-postgres:
	go test -count=1 -timeout=10m $(TESTFLAGS) -run '^Test($(subst $(empty) ,,$(ON_POSTGRES)))$$' ./internal/core ./internal/server -database=postgres

# what `make test` tries a few times, often: many processes on one credential and on one client's file, rotations that fail or are
# killed, services that are killed and databases that are damaged, a million operations beside that; an hour
soak:
	go test -count=1 -v -timeout=60m -run '^TestTogether$$' ./test/credentials -rounds=100
	go test -count=1 -v -timeout=60m -run '^TestScripts$$/^mcp_together$$' ./test/acceptance -rounds=100
	go test -count=1 -v -timeout=60m -run '^TestRotationStorm$$' ./internal/core -schedules=10000
	go test -count=1 -timeout=60m ./internal/core ./internal/server ./test/acceptance -database=postgres
	go test -count=1 -v -timeout=60m -run '^TestLeases$$' ./internal/core -seeds=10000
	go test -count=1 -v -timeout=60m -run '^TestRotateKilled$$' ./test/acceptance -kills=600
	go test -count=1 -v -timeout=180m -run '^(TestKilled|TestBitFlips|TestLinearizable|TestReplicas|TestDatabaseKilled)$$' ./test/faults -kills=1000 -flips=1000 -operations=1000000 -replica-operations=1000000 -database-kills=200

# every AI client that npm has, with what `mcp connect` writes; 3.9 GB in the cache
test-clients:
	go run ./test/clients/install -more
	go test -timeout=30m $(TESTFLAGS) ./test/clients -more

# completions/, the manual and what else is written from the command tree and the tables
gen:
	go run ./cmd/gen

# instructions, memory, size and system calls at start
gate:
	go test -count=1 -v ./test/gate

# figures, no verdict; BENCHFLAGS=-short leaves out what makes a million keys
bench:
	go test $(BENCHFLAGS) -run '^$$' -bench . ./test/gate ./test/completion ./internal/cliutil ./internal/core

# what checks of a million keys cost, beside a bare handler and nginx, with verdicts; a quick look: BENCHFLAGS="-keys 20000 -for 2s -flood 2s"
bench-serve: build
	go run ./test/bench $(BENCHFLAGS)

# the same beside one, two and three replicas on PostgreSQL; a quick look: BENCHFLAGS="-keys 20000 -for 2s"
bench-scale: build
	go run ./test/bench -replicas 3 $(BENCHFLAGS)

# a hundred replicas and a hundred million keys, simulated by what this machine measures; -scale-seed=N draws otherwise
bench-sim:
	go test -count=1 -v -timeout=10m -run '^TestScale$$' ./internal/core -scale $(BENCHFLAGS)

clean:
	rm -rf bin dist
