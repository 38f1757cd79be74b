# What a person runs and what CI runs are the same lines. `make help` lists them.

ARGS        =
FUZZTIME    = 30s
STATICCHECK = go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK = go run golang.org/x/vuln/cmd/govulncheck@v1.9.0

# The CDK's generated packages take minutes and gigabytes to compile with -race.
CDK = joboutputs/infra

.PHONY: help run test conformance check vuln tools fuzz clean build/withaws

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r target does; do printf '  make %-12s %s\n' "$$target" "$$does"; done

run: ## run the service on this machine; flags by ARGS="…", see ARGS=-help
	@go build -o build/local ./infra/local
	@exec build/local $(ARGS)

test: build/withaws ## run every test, on real local stores
	@all=$$(go list ./...) || exit 1; \
	failed=0; \
	build/withaws -- go test -race -shuffle=on -p 2 -timeout 15m $$(echo "$$all" | grep -vx '$(CDK)') || failed=1; \
	if echo "$$all" | grep -qx '$(CDK)'; then \
		go test -shuffle=on -timeout 15m $(CDK) || failed=1; \
	fi; \
	exit $$failed

conformance: build/withaws ## replay the recorded exchanges with UFDL and report
	@build/withaws -- go test -count=1 -timeout 15m -v ./infra/local/conformance -run .

check: ## formatting, vet, staticcheck and the import rules
	@unformatted=$$(gofmt -l cmd functions shared infra) || exit 1; \
	if [ -n "$$unformatted" ]; then echo "not gofmt'ed:"; echo "$$unformatted"; exit 1; fi
	@go vet ./...
	@$(STATICCHECK) ./...
	@go test ./functions -run Imports

vuln: ## known vulnerabilities in what is called (asks vuln.go.dev)
	@$(GOVULNCHECK) ./...

tools: build/withaws ## fetch DynamoDB Local and VersityGW into .tools
	@build/withaws -fetch

fuzz: ## each fuzz target for FUZZTIME (30s)
	@grep -rl --include='*_test.go' '^func Fuzz' cmd functions shared infra | while read -r file; do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file"); do \
			echo "$$target in $$(dirname "$$file")"; \
			go test "./$$(dirname "$$file")" -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) || exit 1; \
		done; \
	done

clean: ## remove what was built; .tools and .data stay
	@rm -rf build cdk.out

build/withaws:
	@go build -o $@ ./shared/localaws/withaws
