// Package e2e deploys the very stack to a local AWS and calls it as clients do: through
// the deployed API Gateway, authorizer, functions and roles. `make e2e` runs it; without
// the build tag e2e there is nothing in it to run.
//
// The local AWS is MiniStack, which needs no docker. EMULATOR.md says what is proven on it
// and where it is wrong.
package e2e
