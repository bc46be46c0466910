package blocklist

import (
	"errors"
	"fmt"
	"time"
)

// CheckSuccessor is the one gate: it says whether an edition may follow
// another. Maker, server and client all ask it. old is nil if there is none
// yet. A client may have missed editions in between, so next.Previous may be
// later than old, but never earlier: that would be a second branch.
func CheckSuccessor(old, next *Manifest, now time.Time) error {
	switch {
	case !now.Before(next.Expires):
		return fmt.Errorf("edition %v expired at %s", next.Serial, next.Expires.Format(time.RFC3339))
	case !next.Expires.After(next.Created):
		return fmt.Errorf("edition %v expires before it was created", next.Serial)
	case next.Domains+next.Hosts+next.URLs == 0:
		return fmt.Errorf("edition %v is empty", next.Serial)
	case next.Previous != 0 && !next.Serial.After(next.Previous):
		return fmt.Errorf("edition %v is not after its own previous %v", next.Serial, next.Previous)
	case old == nil:
		return nil
	}
	if err := checkSameList(old, next); err != nil {
		return err
	}
	switch {
	case !next.Serial.After(old.Serial):
		return fmt.Errorf("edition %v is not after %v", next.Serial, old.Serial)
	case next.Created.Before(old.Created):
		return fmt.Errorf("edition %v was created before %v", next.Serial, old.Serial)
	case next.Previous == 0 || old.Serial.After(next.Previous):
		return fmt.Errorf("edition %v does not know %v", next.Serial, old.Serial)
	}
	return nil
}

// checkSameList says whether two editions are of the same authority,
// environment, list and zone.
func checkSameList(old, next *Manifest) error {
	switch {
	case next.Authority != old.Authority:
		return errors.New("edition is of another authority")
	case next.Environment != old.Environment:
		return fmt.Errorf("edition is of environment %q, not %q", next.Environment, old.Environment)
	case next.List != old.List || next.Zone != old.Zone:
		return errors.New("edition is of another list or zone")
	}
	return nil
}
