package httpfeed

import "sync"

// quota counts the answers under way, of each ISP and of all. Only authenticated
// requests take part: strangers can not use it up.
type quota struct {
	mu     sync.Mutex
	all    int
	perISP map[string]int
}

// take returns a function that gives the place back, or false if the ISP has its
// share already.
func (q *quota) take(isp string, limits Limits) (release func(), ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.perISP[isp] >= share(limits.answers(), q.all) {
		return nil, false
	}
	if q.perISP == nil {
		q.perISP = make(map[string]int)
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

// share is how many one ISP may have of what is limited and taken in part: as
// many as are left for all others. One that takes all it can gets half, two such
// get a third each, and as many again are free.
func share(limit, taken int) int { return limit - taken }
