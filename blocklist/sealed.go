package blocklist

import (
	"fmt"
	"io"
	"unsafe"
)

// redacted is what every printing of a sealed text shows.
const redacted = "[listed]"

// sealed holds a text that must never reach a log, an error, a metric or a
// panic by accident. Each way Go has of printing a value shows [redacted];
// the one way to the text is Reveal, so that every disclosure can be found by
// searching for that word.
//
// The text is held by its first octet and its length because fmt cannot call
// methods on an unexported field: it would print a string there, but prints a
// nested pointer as an address. So a million names are two words each, and the
// garbage collector has nothing to follow but the few blocks that they were
// cut from. The first field forbids ==, which would compare addresses; use
// Compare.
type sealed struct {
	_     [0]func()
	first *byte
	n     int
}

func seal(s string) sealed { return sealed{first: unsafe.StringData(s), n: len(s)} }

// Reveal returns the text itself. Callers write it into an edition, a signed
// decision, or the terminal of an officer who asked for it; nowhere else.
func (s sealed) Reveal() string { return unsafe.String(s.first, s.n) }

// IsZero says whether there is no text at all.
func (s sealed) IsZero() bool { return s.n == 0 }

// Format makes every verb of package fmt print a redaction.
func (s sealed) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String returns a redaction.
func (s sealed) String() string { return redacted }

// MarshalText makes JSON, TOML, XML and slog print a redaction.
func (s sealed) MarshalText() ([]byte, error) { return []byte(redacted), nil }
