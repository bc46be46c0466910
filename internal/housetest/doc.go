// Package housetest holds the rules of the house that a compiler does not: who may import whom, where the clock is read,
// that every package says what it is for. ARCHITECTURE.md gives the reasons; the tests of this package hold the code to it.
package housetest
