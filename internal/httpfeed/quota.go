package httpfeed

import "sync"

// quota bounds how many answers are under way, for all and for each ISP, so that
// one ISP's runaway script leaves room for the others. Only authenticated
// requests take part: strangers can not use it up.
type quota struct {
	mu      sync.Mutex
	all     int
	perISP  map[string]int
	maxAll  int
	maxEach int
}

func newQuota(all, each int) quota {
	return quota{perISP: make(map[string]int), maxAll: all, maxEach: each}
}

// take returns a function that gives the place back, or false if there is none.
func (q *quota) take(isp string) (release func(), ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.all >= q.maxAll || q.perISP[isp] >= q.maxEach {
		return nil, false
	}
	q.all++
	q.perISP[isp]++
	return func() { q.give(isp) }, true
}

func (q *quota) give(isp string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.all--
	if q.perISP[isp]--; q.perISP[isp] == 0 {
		delete(q.perISP, isp)
	}
}
