package register

// Refresh replays the register if somebody appended to it since it was opened
// or last changed here.
func (r *Register) Refresh() error {
	last, err := r.store.last()
	if err != nil || last == r.head.seq {
		return err
	}
	return r.reload()
}

// last returns the number of the last record, or zero.
func (s *sqlite) last() (seq int64, err error) {
	err = s.db.QueryRow("SELECT coalesce(max(seq), 0) FROM history").Scan(&seq)
	return seq, err
}
