package dnsfeed

import "fmt"

// Snapshot is what is served at one moment: an image for each zone. It is
// immutable and safe for concurrent use; a new edition makes a new one, and a
// transfer keeps the image that it began with.
type Snapshot struct {
	images map[string]*Image // by name on the wire
}

// NewSnapshot makes a snapshot of images of different zones.
func NewSnapshot(images ...*Image) (*Snapshot, error) {
	s := &Snapshot{images: make(map[string]*Image, len(images))}
	for _, m := range images {
		if s.images[m.wire] != nil {
			return nil, fmt.Errorf("make snapshot: two images of zone %s", m.zone)
		}
		s.images[m.wire] = m
	}
	return s, nil
}

// find returns the image of a zone, or nil.
func (s *Snapshot) find(zone []byte) *Image {
	if s == nil {
		return nil
	}
	return s.images[string(zone)]
}
