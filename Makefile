# What a person runs and what CI runs are the same lines. `make help` lists them.

ARGS        =
ARCH        = arm64
NAME        = joboutputs
STAGE       = dev
FN          =
BUILD       = build
FUZZTIME    = 30s
SIZE        = 2147483648
STATICCHECK = go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK = go run golang.org/x/vuln/cmd/govulncheck@v1.9.0

# The CDK's command, at the version of infra/package-lock.json.
CDKCLI = .tools/cdk/node_modules/.bin/cdk
CDKRUN = CDK_DISABLE_CLI_TELEMETRY=1 $(CDKCLI) --no-notices -c name=$(NAME) -c stage=$(STAGE) -c arch=$(ARCH)
STACK  = $(NAME)-$(STAGE)

CFNLINT = .tools/cfn-lint/bin/cfn-lint

# What jsii says of old versions of Node.js at every start; cdk.json has it for cdk alone.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION = 18,20

# The CDK's generated packages take minutes and gigabytes to compile with -race.
CDK = joboutputs/infra
# What measures CPU time would measure the race detector, too.
COST = ./test/fuzz/cost

MINISTACK = .tools/ministack/bin/python

SCHEMATHESIS = .tools/schemathesis/bin/schemathesis

AWSCLI = .tools/awscli/bin/aws

MLFLOW = .tools/mlflow/bin/mlflow

.PHONY: help run test conformance check vuln tools fuzz prove prove-long mutants bench bench-quick bench-readme bench-transfer build synth diff deploy destroy invoke deploy-local e2e clean build/withaws

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r target does; do printf '  make %-14s %s\n' "$$target" "$$does"; done

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
	go test -shuffle=on $(COST) || failed=1; \
	exit $$failed

conformance: build/withaws ## replay the recorded exchanges with UFDL and report
	@build/withaws -- go test -count=1 -timeout 15m -v ./test/conformance -run .

check: ## formatting, vet, staticcheck and the import rules
	@unformatted=$$(gofmt -l cmd functions shared infra test) || exit 1; \
	if [ -n "$$unformatted" ]; then echo "not gofmt'ed:"; echo "$$unformatted"; exit 1; fi
	@go vet ./... && go vet -tags e2e ./test/e2e
	@$(STATICCHECK) ./... && $(STATICCHECK) -tags e2e ./test/e2e
	@go test ./functions -run Imports

vuln: ## known vulnerabilities in what is called (asks vuln.go.dev)
	@$(GOVULNCHECK) ./...

tools: build/withaws ## fetch DynamoDB Local and VersityGW into .tools
	@build/withaws -fetch

fuzz: ## each fuzz target for FUZZTIME (30s)
	@grep -rl --include='*_test.go' '^func Fuzz' cmd functions shared infra test | while read -r file; do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file"); do \
			echo "$$target in $$(dirname "$$file")"; \
			go test "./$$(dirname "$$file")" -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) || exit 1; \
		done; \
	done

prove: build/withaws $(SCHEMATHESIS) ## the proof at a quarter of its counts, into build/proof.md; one section by ARGS="-section faults"
	@go build -o build/prove ./test/prove && exec build/prove -scale quarter -keep build/mutants.json $(ARGS)

prove-long: build/withaws $(SCHEMATHESIS) ## the proof at its full counts; ARGS="-o docs/proof.md" writes the committed report
	@go build -o build/prove ./test/prove && exec build/prove -scale full -keep build/mutants.json $(ARGS)

mutants: build/withaws ## break the service in one place at a time: its tests must say so; into build/mutants.json
	@go build -o build/mutants ./test/mutation && exec build/withaws -- build/mutants $(ARGS)

build: ## the Lambdas' binaries, or FN's alone, into build/<function>; ARCH=arm64 or x86_64
	@case $(ARCH) in arm64) goarch=arm64;; x86_64) goarch=amd64;; *) echo "ARCH is arm64 or x86_64" >&2; exit 2;; esac; \
	for folder in $(if $(FN),functions/$(subst -,/,$(FN))/bootstrap,functions/*/bootstrap functions/*/*/bootstrap); do \
		name=$$(dirname "$${folder#functions/}" | tr / -); \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$goarch go build -tags lambda.norpc -trimpath -buildvcs=false -ldflags "-s -w" \
			-o "$(BUILD)/$$name/bootstrap" "./$$folder" || exit 1; \
	done

bench: $(MLFLOW) ## measure speed into build/bench.json (25 minutes at most); flags by ARGS="…", see ARGS=-help
	@go build -o build/bench ./test/bench && build/bench -out build/bench.json $(ARGS)

bench-quick: ## measure a little (3 minutes at most), to see that nothing is far off
	@go build -o build/bench ./test/bench && build/bench -quick $(ARGS)

bench-readme: ## README's "Speed and cost" from test/bench/results.json, a build/bench.json of a quiet machine
	@go run ./test/bench -readme

synth: $(CDKCLI) ## the stack's template into build/cdk.out: no account is needed; -c options by ARGS="…"
	@$(CDKRUN) synth --quiet $(ARGS)

diff: $(CDKCLI) ## what a deployment would change
	@$(CDKRUN) diff $(ARGS)

deploy: $(CDKCLI) ## deploy the stack; STAGE=dev or prod, NAME=joboutputs
	@$(CDKRUN) deploy --outputs-file build/outputs.json $(ARGS)

destroy: $(CDKCLI) ## destroy the stack; in dev with everything it keeps
	@if [ "$(YES)" != 1 ]; then \
		printf 'Destroys %s. Its name, to go on: ' "$(STACK)"; read -r answer; [ "$$answer" = "$(STACK)" ] || exit 1; \
	fi; \
	if [ "$(STAGE)" = dev ]; then \
		bucket=$$(aws cloudformation describe-stacks --stack-name "$(STACK)" --output text \
			--query "Stacks[0].Outputs[?OutputKey=='BucketName'].OutputValue") && \
		aws s3 rm "s3://$$bucket" --recursive --only-show-errors || exit 1; \
	fi; \
	$(CDKRUN) destroy --force $(ARGS)

invoke: ## send events/$FN.json to the deployed function, e.g. FN=joboutputs-list
	@[ -f "events/$(FN).json" ] || { echo "FN is one of:" $$(ls events | sed 's/\.json//; /^env$$/d') >&2; exit 2; }
	@mkdir -p build && aws lambda invoke --function-name "$(STACK)-$(FN)" --payload "fileb://events/$(FN).json" build/answer >&2 && cat build/answer && echo

deploy-local: $(CDKCLI) ## deploy to a local AWS at AWS_ENDPOINT_URL (http://localhost:4566): LocalStack or MiniStack
	@export AWS_ENDPOINT_URL="$${AWS_ENDPOINT_URL:-http://localhost:4566}" \
		AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1; \
	machine=$$(uname -m | sed 's/aarch64/arm64/'); \
	$(CDKRUN) bootstrap aws://000000000000/us-east-1 && \
	$(CDKRUN) deploy --require-approval never --outputs-file build/outputs.json \
		-c arch=$$machine -c streaming=off -c alarms=off -c endpoint-url="$$AWS_ENDPOINT_URL" $(ARGS)

e2e: $(CDKCLI) $(MINISTACK) ## deploy the stack to a local AWS, call it, destroy it (Linux)
	@go test -tags e2e -count=1 -timeout 20m -v ./test/e2e

bench-transfer: $(AWSCLI) build/withaws ## the command against the AWS CLI and bare calls: SIZE bytes, 2 GiB; 15 minutes (Linux)
	@build/withaws -fetch && go build -o build/ ./cmd/joboutputs ./infra/local ./test/bench/transfer
	@build/transfer -size $(SIZE) -aws $(AWSCLI) $(ARGS)

clean: ## remove what was built; .tools and .data stay
	@rm -rf build cdk.out

build/withaws:
	@go build -o $@ ./shared/localaws/withaws

$(CDKCLI): infra/package.json infra/package-lock.json
	@mkdir -p .tools/cdk && cp $^ .tools/cdk/ && npm ci --prefix .tools/cdk --silent --no-audit --no-fund && touch $@

$(MINISTACK): test/e2e/requirements.txt
	@python3 -m venv .tools/ministack && .tools/ministack/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $< && touch $@

$(SCHEMATHESIS): test/fuzz/schemathesis/requirements.txt
	@python3 -m venv .tools/schemathesis && .tools/schemathesis/bin/pip install --quiet --disable-pip-version-check -r $< && touch $@

$(MLFLOW): test/bench/requirements.txt
	@python3 -m venv .tools/mlflow && .tools/mlflow/bin/pip install --quiet --disable-pip-version-check -r $< && touch $@

$(AWSCLI): test/bench/transfer/requirements.txt
	@python3 -m venv .tools/awscli && .tools/awscli/bin/pip install --quiet --disable-pip-version-check -r $< && touch $@

$(CFNLINT): infra/requirements.txt
	@python3 -m venv .tools/cfn-lint && .tools/cfn-lint/bin/pip install --quiet --disable-pip-version-check -r $< && touch $@
