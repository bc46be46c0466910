package cli

import (
	"errors"
	"testing"
)

func TestJoinHasTheWorstStatus(t *testing.T) {
	plain, misuse, refusal := errors.New("disk"), Misuse(errors.New("key"), ""), Refuse(errors.New("growth"), "look")
	for _, c := range []struct {
		errs []error
		want int
	}{
		{[]error{refusal}, Refused},
		{[]error{refusal, plain}, Failed},
		{[]error{plain, refusal}, Failed},
		{[]error{refusal, misuse}, Misused},
		{[]error{nil, refusal, nil}, Refused},
	} {
		if got := StatusOf(Join(c.errs...)); got != c.want {
			t.Errorf("%v: status %d, want %d", c.errs, got, c.want)
		}
	}
	if Join(nil, nil) != nil {
		t.Error("nothing went wrong, and it is an error")
	}
}
