// Package arch has no code. Its test holds the rules of the house: which
// package may import which, and what no file may do.
package arch
