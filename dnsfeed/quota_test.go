package dnsfeed

import (
	"fmt"
	"testing"
)

// XT6: each of the clients that take all they can get has less than the one
// before, and the last still has some; what is given back can be had again.
func TestXT6_TransfersAreShared(t *testing.T) {
	q, limits := &quota{}, Limits{}
	var release []func()
	before := limits.transfers() + 1
	for i := range 12 {
		n := 0
		for {
			back, ok := q.take(fmt.Sprint(i), limits)
			if !ok {
				break
			}
			release = append(release, back)
			n++
		}
		if n == 0 || n >= before {
			t.Errorf("client %d has %d transfers, the one before %d", i, n, before)
		}
		before = n
	}
	for range limits.allTransfers() { // by ones and twos all of it can be had, and not more
		if back, ok := q.take(fmt.Sprint("one ", len(release)), limits); ok {
			release = append(release, back)
		}
	}
	if q.all != limits.allTransfers() || len(release) != q.all {
		t.Errorf("%d transfers, want %d", q.all, limits.allTransfers())
	}
	for _, back := range release {
		back()
	}
	if q.all != 0 || len(q.each) != 0 {
		t.Errorf("%d transfers are left", q.all)
	}
}
