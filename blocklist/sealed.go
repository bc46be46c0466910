package blocklist

import (
	"fmt"
	"io"
)

// redacted is what every printing of a sealed text shows.
const redacted = "[listed]"

// sealed holds a text that must never reach a log, an error, a metric or a
// panic by accident. Each way Go has of printing a value shows [redacted];
// the one way to the text is Reveal, so that every disclosure can be found by
// searching for that word.
//
// The text sits behind a pointer because fmt cannot call methods on an
// unexported field: it would print a string there, but prints a nested
// pointer as an address. The first field forbids ==, which would compare
// addresses; use Compare.
type sealed struct {
	_    [0]func()
	text *string
}

func seal(s string) sealed { return sealed{text: &s} }

// Reveal returns the text itself. Callers write it into an edition, a signed
// decision, or the terminal of an officer who asked for it; nowhere else.
func (s sealed) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero says whether there is no text at all.
func (s sealed) IsZero() bool { return s.text == nil }

// Format makes every verb of package fmt print a redaction.
func (s sealed) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String returns a redaction.
func (s sealed) String() string { return redacted }

// MarshalText makes JSON, TOML, XML and slog print a redaction.
func (s sealed) MarshalText() ([]byte, error) { return []byte(redacted), nil }
