// Package stats counts what became of the list between two days, for whoever
// answers for it in public.
//
// Data flows one way: [Input], which holds no listed name, [Count], [Figures],
// and from there JSON, CSV or a page. The same input gives the same octets.
//
// # What is hidden
//
// A count of one to four is hidden, since it may point at somebody. So that it
// can not be worked out from a total and its other parts, a table that hides
// one cell hides the smallest other one too; a curve is rounded to fives, so
// that a step of it says nothing about a single entry. Who compares tables, or
// the figures of several times, may still narrow a small count down: that is
// the price of exact figures.
package stats
