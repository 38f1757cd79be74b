package main

// section is one part of the proof.
type section struct {
	name  string
	about string // for the report
	steps []step
}

// sections is all of the proof, in the order it is run. Mutants are run by `make mutants`,
// which takes a scratch copy; their rows are taken over by -keep.
func sections() []section {
	return []section{
		{"sequences", "Random sequences of all actions, of several principals in two tenants, over HTTP: every answer is one that the reference model allows.",
			[]step{test{pkg: "./test/robustness/sequences"}}},
		{"faults", "Every fault at every call of every action, silent connections and functions stopped at their deadline among them; requests repeated as they are, with a key, and by the project's client, and cleanups: the model's outcomes and the invariants, by full scan of table and bucket. A write whose response is lost after its commit is done once, and the client knows when it does not know.",
			[]step{test{pkg: "./test/robustness/faults"}}},
		{"histories", "Concurrent histories, with and without faults, with keys, and with the project's client and its retries of lost responses, are linearizable; directed races.",
			[]step{
				test{pkg: "./test/robustness/histories", skip: "TestHistories", race: true},
				test{pkg: "./test/robustness/histories", only: "TestHistories"},
			}},
		{"outside", "Late and repeated PUTs, operators that abort multipart uploads, throttled tenants, unreadable queue rows, two processes: nothing acknowledged is lost, nothing is left.",
			[]step{test{pkg: "./test/robustness/outside"}}},
		{"storm", "Retry storms, simulated on a virtual clock: real clients and a gateway that throttles as deployed. Nearly all get through, a lasting overload is not multiplied, and the service recovers at once.",
			[]step{test{pkg: "./test/robustness/storm"}}},
		{"isolation", "Attempts to cross from one tenant into another, with canaries in every stored field.",
			[]step{test{pkg: "./test/isolation"}}},
		{"authz", "Every route, for every principal, on every state of its resource.",
			[]step{test{pkg: "./test/authz"}}},
		{"tokens", "Hostile and valid tokens; what the issuer's keys cost; rotation; an issuer that is down.",
			[]step{test{pkg: "./test/tokens"}}},
		{"secrets", "What the service logs, read for tokens, signatures, credentials and contents.",
			[]step{test{pkg: "./test/secrets"}}},
		{"fuzz", "Go's fuzzer on what reads a client's bytes; every target holds a property, not only that nothing panics. And a search for the request that costs most CPU time, which a caller could make on purpose.",
			[]step{fuzz{}, test{pkg: "./test/fuzz/cost"}}},
		{"api-fuzz", "Requests made from the OpenAPI document, valid and broken, each answer held against the document; and schemathesis with its default checks.",
			[]step{test{pkg: "./test/fuzz"}, schemathesis{}}},
		{"load", "32 clients, 80 % of them reading, on 50,000 rows; memory and goroutines of the serving process; SIGTERM and kill -9 in the middle.",
			[]step{test{pkg: "./test/robustness/load"}}},
	}
}

func names() []string {
	var all []string
	for _, s := range sections() {
		all = append(all, s.name)
	}
	return all
}
