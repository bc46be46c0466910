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
// is no room.
func (q *quota) take(client string, limits Limits) (release func(), ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.all >= limits.allTransfers() || q.each[client] >= limits.transfers() {
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
