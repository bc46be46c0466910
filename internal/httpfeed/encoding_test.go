package httpfeed

import "testing"

func TestNegotiate(t *testing.T) {
	for accept, want := range map[string]string{
		"":                               "identity",
		"gzip":                           "gzip",
		"zstd":                           "zstd",
		"x-gzip":                         "gzip",
		"GZIP":                           "gzip",
		"gzip, zstd":                     "zstd",
		"zstd;q=0.5, gzip":               "gzip",
		"zstd;q=0.500 , gzip;q=0.501":    "gzip",
		"zstd;q=0, gzip;q=0":             "identity",
		"gzip;q=0":                       "identity",
		"gzip; Q=0.2":                    "gzip",
		"identity":                       "identity",
		"identity, gzip;q=0.9":           "identity",
		"identity;q=0.5, gzip;q=0.9":     "gzip",
		"identity;q=1, gzip;q=1":         "gzip",
		"identity;q=0":                   "",
		"identity;q=0, gzip;q=0.001":     "gzip",
		"*":                              "zstd",
		"*;q=0":                          "",
		"*;q=0, identity":                "identity",
		"*;q=0, gzip":                    "gzip",
		"zstd;q=0, *":                    "gzip",
		"zstd;q=0, gzip;q=0, *;q=0.1":    "identity",
		"br, deflate":                    "identity",
		"gzip;q=2":                       "identity",
		"gzip;q=1.001":                   "identity",
		"gzip;q=0.0001":                  "identity",
		"gzip;q=-1":                      "identity",
		"gzip;q=":                        "identity",
		"gzip;level=9":                   "identity",
		"zstd;q=1.000, gzip;q=1.0":       "zstd",
		",,gzip,":                        "gzip",
		"gzip, deflate, br, zstd":        "zstd",
		"gzip;q=1.0, identity; q=0.5, *": "zstd",
	} {
		if got := negotiate([]string{accept}); got != want {
			t.Errorf("%q: got %q, want %q", accept, got, want)
		}
	}
	if got := negotiate([]string{"gzip;q=0.5", "zstd;q=0.1"}); got != "gzip" {
		t.Errorf("two fields: got %q", got)
	}
	if got := negotiate(nil); got != "identity" {
		t.Errorf("no field: got %q", got)
	}
}
