package cli

import (
	"fmt"
	"io"
)

// Finding is one thing that the command check of a program looked at.
type Finding struct {
	What string `json:"what"`
	OK   bool   `json:"ok"`
	Says string `json:"says"`
	Hint string `json:"-"`
}

// PrintFindings prints a line for each finding, or all as JSON. It fails if one
// of them is not well.
func PrintFindings(w io.Writer, all []Finding, asJSON bool) error {
	wrong := 0
	for _, f := range all {
		word := "ok     "
		if !f.OK {
			wrong++
			word = "WRONG  "
		}
		if !asJSON {
			_, _ = fmt.Fprintf(w, "%s%s: %s\n", word, f.What, f.Says)
			if f.Hint != "" {
				_, _ = fmt.Fprintf(w, "       hint: %s\n", f.Hint)
			}
		}
	}
	if asJSON {
		if err := PrintJSON(w, all); err != nil {
			return err
		}
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d checks failed", wrong, len(all))
	}
	return nil
}
