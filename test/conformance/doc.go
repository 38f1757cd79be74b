// Package conformance replays recordings of the original UFDL backend against this
// service and says of every exchange whether our answer is equal, differs by a rule of
// the deviation table (README, D1 to D25), or is wrong. Its tests use it, and those
// of package e2e against the deployed stack.
//
// How an exchange is judged:
//
//   - recording.go reads the recordings, wire.go sends a request byte for byte as it was
//     recorded, tokens.go makes the tokens that its placeholders name.
//   - want.go holds what an answer must be; recorded.go makes it from the recorded answer.
//   - model.go says, from the request and a small picture of the tenant (world.go), what
//     this service answers by its own documents. It is naive on purpose and shares no code
//     with the service; naive.go evaluates filters so.
//   - rules.go decides between the two. Where they agree, the recording is expected. Where
//     they do not, a rule must allow exactly this difference, by the request and the class
//     of the recorded answer, never by our answer; else the recording is expected.
//   - check.go compares the answer with what is wanted.
//   - plan.go orders the exchanges: those that change nothing share a tenant, every
//     scenario that writes has a tenant and a fresh seed of its own.
package conformance
