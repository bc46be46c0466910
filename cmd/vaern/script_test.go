package main

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/vaern/vaern/internal/peers"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"vaern": main})
}

// TestScripts runs the stories in testdata. Each begins in an authority of
// environment "test" with the police officers anna and bo; the keys of carl
// (police) and holly (hotline) exist.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=20") // a second, else, at the end of each of hundreds of programs
			env.Setenv("PATH", peers.PATH(t)+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("DATA", mustAbs(filepath.Join("..", "..", "..", "shared", "data")))
			card, helper := peers.SmartCard(t)
			env.Setenv("CARD", card)
			env.Setenv("SSH_PKCS11_HELPER", helper)
			env.Setenv("SAMPLES", mustAbs(filepath.Join("..", "..", "testdata", "lists")))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status":    status,
			"authority": makeAuthority,
			"sql":       runSQL,
			"names":     writeNames,
			"reports":   writeReports,
			"change":    changeInbox,
			"saves":     saves,
			"prints":    prints,
			"until":     until,
		},
		Condition: func(cond string) (bool, error) {
			return cond == "data" && exists(mustAbs("../../../shared/data")), nil
		},
	})
}

func mustAbs(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		panic(err)
	}
	return abs
}

// status N PROGRAM ARGS...: the program must end with exactly that status.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N program args...")
	}
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	code := 0
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit status %d, want %s", code, args[0])
	}
}

var digest = regexp.MustCompile(`\b([0-9a-f]{32}|[0-9a-f]{64})\b`)

// prints WANT: what the program before wrote to stdout and then to stderr, each line of it; what is random is called DIGEST.
func prints(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: prints want")
	}
	got := digest.ReplaceAllString(ts.ReadFile("stdout")+ts.ReadFile("stderr"), "DIGEST")
	if want := ts.ReadFile(args[0]); got != want {
		ts.Fatalf("%s: it printed\n%s", args[0], got)
	}
}

// authority [ENVIRONMENT]: makes keys and an authority with two founders.
func makeAuthority(ts *testscript.TestScript, _ bool, args []string) {
	environment := "test"
	if len(args) > 0 {
		environment = args[0]
	}
	for _, name := range []string{"anna", "bo", "carl", "holly"} {
		if !exists(ts.MkAbs(name)) {
			ts.Check(ts.Exec("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", name))
		}
	}
	ts.Check(ts.Exec("vaern", "init", "authority", "--environment", environment))
	for _, name := range []string{"anna", "bo"} {
		ts.Check(ts.Exec("vaern", "--config", "authority/vaern.toml", "officer", "add", name, "--role", "police", "--pubkey", name+".pub"))
	}
	ts.Setenv("CONFIG", ts.MkAbs("authority/vaern.toml"))
}

// sql FILE STATEMENT: what somebody with the database file could do.
func runSQL(ts *testscript.TestScript, neg bool, args []string) {
	db, err := sql.Open("sqlite3", "file:"+ts.MkAbs(args[0]))
	ts.Check(err)
	defer db.Close()
	if _, err = db.Exec(args[1]); (err != nil) != neg {
		ts.Fatalf("%s: %v", args[1], err)
	}
}

// names FILE PREFIX N: a list of N synthetic names.
func writeNames(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s%04d.example\n", args[1], i)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(b.String()), 0o600))
}

// reports FILE N: a CSV of N reports.
func writeReports(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	var b strings.Builder
	b.WriteString("unit,target,source_ref,site_type,country,received\n")
	for i := range n {
		fmt.Fprintf(&b, "url,https://www.site%06d.example/gallery/%d?p=1,HL-%06d,website,NL,2026-11-20\n", i, i, i)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(b.String()), 0o600))
}

// change FILE STATEMENTS: what somebody could do who puts the triggers of
// a table back as they were.
func changeInbox(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite3", "file:"+ts.MkAbs(args[0]))
	ts.Check(err)
	defer db.Close()
	rows, err := db.Query("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
	ts.Check(err)
	var drop, back []string
	for rows.Next() {
		var name, text string
		ts.Check(rows.Scan(&name, &text))
		drop, back = append(drop, "DROP TRIGGER "+name), append(back, text)
	}
	ts.Check(errors.Join(rows.Err(), rows.Close()))
	for _, statement := range append(append(drop, args[1]), back...) {
		_, err := db.Exec(statement)
		ts.Check(err)
	}
}

// saves VARIABLE FILE: puts the content of a file into a variable.
func saves(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}

// until FILE PATTERN: waits until a line of a file matches.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: until file pattern")
	}
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	path := ts.MkAbs(args[0])
	deadline, tick := time.After(60*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		data, _ := os.ReadFile(path) // it may not be there yet
		if pattern.Match(data) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("waited in vain for %s in %s:\n%s", args[1], args[0], data)
		}
	}
}
