package dnsfeed

import "sync"

// quota counts the transfers that are running, of each client and of all.
// Strangers have none, so they never use it up (XT6).
type quota struct {
	mu   sync.Mutex
	all  int
	each map[string]int
}

// take admits one more transfer of a client, until release; or says that there
// is no room. However many clients are greedy, there is some left for the next
// one: see share.
func (q *quota) take(client string, limits Limits) (release func(), ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.each[client] >= min(limits.transfers(), share(limits.allTransfers(), q.all)) {
		return nil, false
	}
	if q.each == nil {
		q.each = make(map[string]int)
	}
	q.all++
	q.each[client]++
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.all--
		if q.each[client]--; q.each[client] == 0 {
			delete(q.each, client)
		}
	}, true
}

// share is how much one client may have of something of which some is taken:
// as much as is left for all others. One that takes all it can gets half, two
// such get a third each, and always as much again is free.
func share(limit, taken int) int { return limit - taken }
