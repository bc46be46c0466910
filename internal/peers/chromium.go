package peers

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Chromium is a browser without a window, spoken to through a pipe (Chrome DevTools Protocol). It resolves no name, and
// takes any certificate. One goroutine uses it.
type Chromium struct {
	t       testing.TB
	in      *os.File
	out     *bufio.Reader
	last    int
	session string // of its one page
}

// StartChromium starts one with an empty page. It ends with the test.
func StartChromium(t testing.TB) *Chromium {
	t.Helper()
	theirIn, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	cmd := exec.Command(Path(t, "chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-breakpad",
		"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--ignore-certificate-errors",
		"--user-data-dir="+home, "--remote-debugging-pipe", "about:blank")
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home)
	cmd.ExtraFiles = []*os.File{theirIn, theirOut} // descriptors 3 and 4
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirIn.Close()
	theirOut.Close()
	t.Cleanup(func() {
		_ = in.Close() // it ends when its pipe does
		done := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		done.Stop()
		_ = out.Close()
		if t.Failed() {
			t.Logf("chromium:\n%s", log.String())
		}
	})
	if err := out.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	c := &Chromium{t: t, in: in, out: bufio.NewReader(out)}
	var target struct{ TargetID string }
	c.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var session struct{ SessionID string }
	c.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &session)
	c.session = session.SessionID
	c.call("Network.enable", nil, nil)
	return c
}

// Headers are sent with every request from here on.
func (c *Chromium) Headers(headers map[string]string) {
	c.t.Helper()
	c.call("Network.setExtraHTTPHeaders", map[string]any{"headers": headers}, nil)
}

// Visit shows an address.
func (c *Chromium) Visit(url string) {
	c.t.Helper()
	var went struct{ ErrorText string }
	c.call("Page.navigate", map[string]any{"url": url}, &went)
	if went.ErrorText != "" {
		c.t.Fatalf("chromium: %s", went.ErrorText)
	}
}

// Evaluate runs a script in the page and unmarshals what it, or its promise, returns.
func (c *Chromium) Evaluate(script string, into any) {
	c.t.Helper()
	var out struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Exception struct{ Description string }
		}
	}
	c.call("Runtime.evaluate", map[string]any{"expression": script, "awaitPromise": true, "returnByValue": true}, &out)
	if x := out.ExceptionDetails; x != nil {
		c.t.Fatalf("chromium: %s", x.Exception.Description)
	}
	if err := json.Unmarshal(out.Result.Value, into); err != nil {
		c.t.Fatalf("chromium: %v: %s", err, out.Result.Value)
	}
}

// call sends a command and waits for its answer; what happens meanwhile is passed over. Each message ends in a zero octet.
func (c *Chromium) call(method string, params, into any) {
	c.t.Helper()
	c.last++
	message := map[string]any{"id": c.last, "method": method}
	if params != nil {
		message["params"] = params
	}
	if c.session != "" {
		message["sessionId"] = c.session
	}
	text, err := json.Marshal(message)
	if err == nil {
		_, err = c.in.Write(append(text, 0))
	}
	for err == nil {
		var answer struct {
			ID     int
			Result json.RawMessage
			Error  *struct{ Message string }
		}
		if text, err = c.out.ReadBytes(0); err != nil {
			break
		}
		if err = json.Unmarshal(text[:len(text)-1], &answer); err != nil || answer.ID != c.last {
			continue
		}
		if answer.Error != nil {
			err = fmt.Errorf("%s", answer.Error.Message)
			break
		}
		if into != nil {
			err = json.Unmarshal(answer.Result, into)
		}
		if err == nil {
			return
		}
	}
	c.t.Fatalf("chromium: %s: %v", method, err)
}
