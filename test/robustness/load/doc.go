// Package load puts the local run, as the program it is, under the load of many clients,
// and asks it to end, or kills its stores, in the middle. Every client knows what its own
// outputs must be, so that each answer is held against that and not only looked at for its
// status; at the end all rows and objects are read.
package load
