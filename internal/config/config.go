// Package config reads the one TOML file of a Vaern program.
//
// The file is decoded into one struct whose field comments are the manual. A
// key that the struct does not know is an error that names file, line and
// key, so that a misspelt guard can not be silently off. Paths in the file
// are relative to the file; secrets are given as paths, never as values.
package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// Environments in which a program may run. Anything but production may use a
// test clock and a smaller quorum.
const Production = "production"

// Find returns the configuration file to use: given if it is not empty, else
// name in the working directory, else name in /etc/vaern.
func Find(given, name string) (string, error) {
	if given != "" {
		return given, nil
	}
	for _, path := range []string{name, filepath.Join("/etc/vaern", name)} {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("find %s: not here and not in /etc/vaern; name it with --config", name)
}

// Load decodes the file at path into the struct that into points to.
func Load(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read config: %w", err)
	}
	err = toml.NewDecoder(strings.NewReader(string(data))).DisallowUnknownFields().Decode(into)
	var unknown *toml.StrictMissingError
	var wrong *toml.DecodeError
	switch {
	case errors.As(err, &unknown):
		first := unknown.Errors[0]
		line, _ := first.Position()
		return fmt.Errorf("%s:%d: unknown key %q", path, line, strings.Join(first.Key(), "."))
	case errors.As(err, &wrong):
		line, _ := wrong.Position()
		return fmt.Errorf("%s:%d: %s: %w", path, line, strings.Join(wrong.Key(), "."), err)
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// Resolve returns path relative to the folder of the configuration file, and
// an absolute or empty path as it is.
func Resolve(configFile, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(configFile), path)
}

// Duration is a time span written as in Go: "15m", "72h".
type Duration struct{ time.Duration }

// UnmarshalText reads a Go duration; a negative one is refused.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v < 0 {
		return fmt.Errorf("duration %q: write it like 15m or 72h", text)
	}
	d.Duration = v
	return nil
}

// MarshalText writes the duration without zero minutes and seconds: 72h.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String is the shortest form that UnmarshalText reads back.
func (d Duration) String() string {
	s := d.Duration.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
