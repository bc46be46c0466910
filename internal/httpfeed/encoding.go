package httpfeed

import (
	"strconv"
	"strings"
)

// identity is the name of no coding at all.
const identity = "identity"

// negotiate chooses among codings and identity by the Accept-Encoding fields of
// a request (RFC 9110, section 12.5.3): the highest weight wins, of equal ones
// the one we like better, and identity last unless it is named. It returns ""
// if the client takes none of them.
func negotiate(fields []string) string {
	weights := parseWeights(fields)
	best, bestWeight := "", 0
	for _, c := range codings {
		if w := weights.of(c.name); w > bestWeight {
			best, bestWeight = c.name, w
		}
	}
	w, named := weights[identity]
	if any, ok := weights["*"]; !named && ok && any == 0 {
		w, named = 0, true
	}
	switch {
	case named && w > bestWeight, !named && best == "":
		return identity
	}
	return best
}

// weights are in thousandths, by coding.
type weights map[string]int

func (w weights) of(coding string) int {
	if n, ok := w[coding]; ok {
		return n
	}
	return w["*"]
}

// parseWeights leaves out what it does not understand: then the client gets an
// encoding it can surely read.
func parseWeights(fields []string) weights {
	w := make(weights)
	for element := range strings.SplitSeq(strings.Join(fields, ","), ",") {
		name, parameter, weighted := strings.Cut(element, ";")
		name = strings.ToLower(strings.Trim(name, " \t"))
		if name == "x-gzip" { // RFC 9110, section 8.4.1.3
			name = "gzip"
		}
		n := 1000
		if weighted {
			var ok bool
			if n, ok = parseWeight(parameter); !ok {
				continue
			}
		}
		if name != "" {
			w[name] = n
		}
	}
	return w
}

// parseWeight reads q=0.5 (RFC 9110, section 12.4.2): 0 to 1 with at most three
// digits behind the point.
func parseWeight(text string) (thousandths int, ok bool) {
	text = strings.Trim(text, " \t")
	if len(text) < 3 || len(text) > 7 || text[0]|0x20 != 'q' || text[1] != '=' {
		return 0, false
	}
	whole, fraction, _ := strings.Cut(text[2:], ".")
	n, err := strconv.ParseUint(whole+(fraction + "000")[:3], 10, 16)
	if err != nil || len(whole) != 1 || len(fraction) > 3 || n > 1000 {
		return 0, false
	}
	return int(n), true
}
