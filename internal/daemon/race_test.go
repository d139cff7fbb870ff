//go:build race

package daemon

// slowdown is what the race detector costs at most, with other tests beside.
const slowdown = 20
