package dnsfeed

import "fmt"

// Snapshot is what is served at one moment: some zones. It is immutable and
// safe for concurrent use; a new edition makes a new one, and a transfer keeps
// the image that it began with.
type Snapshot struct {
	zones map[string]*Versions // by name on the wire
}

// NewSnapshot makes a snapshot of different zones.
func NewSnapshot(zones ...*Versions) (*Snapshot, error) {
	s := &Snapshot{zones: make(map[string]*Versions, len(zones))}
	for _, v := range zones {
		if s.zones[v.newest.wire] != nil {
			return nil, fmt.Errorf("make snapshot: two images of zone %s", v.newest.zone)
		}
		s.zones[v.newest.wire] = v
	}
	return s, nil
}

// find returns a zone, or nil.
func (s *Snapshot) find(zone []byte) *Versions {
	if s == nil {
		return nil
	}
	return s.zones[string(zone)]
}
