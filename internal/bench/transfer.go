package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"github.com/vaern/vaern/blocklist"
)

// policyZone is the zone of the list that vaern init writes into its example.
const policyZone = "csam.rpz.police.example."

// transfer measures vaernd against the servers of today at giving a zone to
// secondaries: all serve the same edition, and are asked turn by turn.
func (b *bench) transfer() error {
	servers := b.servers()
	defer stop(servers)
	fmt.Printf("\nP6 start to first SOA, %d names\n", b.n)
	for _, s := range servers {
		var starts []cost
		for range b.rounds {
			s.stop()
			starts = append(starts, cost{wall: s.start()})
		}
		fmt.Printf("  %-12s %7.3f s\n", s.name, median(starts, wall).Seconds())
	}
	b.transfers("P1 AXFR, 1 client", servers, "-n", "1")
	b.transfers("P2 AXFR, 8 clients", servers, "-n", "8")
	b.transfers("P3 AXFR over TLS, 1 client", servers, "-tls")
	fmt.Printf("\nP5 memory of the whole process tree after that\n")
	for _, s := range servers {
		fmt.Printf("  %-12s %5d MiB PSS\n", s.name, pss(s.cmd.Process.Pid)>>20)
	}
	return b.follow(servers[0])
}

// follower measures P7 alone.
func (b *bench) follower() error {
	b.publish()
	s := b.vaernd()
	s.start()
	defer s.stop()
	return b.follow(s)
}

// publish publishes the list, as one that has been for days.
func (b *bench) publish() {
	b.found()
	b.decideList()
	b.age()
	must(b.vaern("compile").Run())
	b.certificate()
}

// servers publishes the list and makes servers of it.
func (b *bench) servers() []*server {
	b.publish()
	zone, err := b.vaern("edition", "cat", b.latest().String(), "rpz.zone").Output()
	must(err)
	must(os.WriteFile(b.path("rpz.zone"), zone, 0o600))
	servers := []*server{b.vaernd(), b.nsd("NSD 4.6", b.peers()), b.knotd("Knot 3.2", b.peers()), b.named("BIND 9.18", b.peers())}
	if b.newer != "" {
		servers = append(servers, b.nsd("NSD newer", b.debian()), b.knotd("Knot newer", b.debian()), b.named("BIND newer", b.debian()))
	}
	return servers
}

func stop(servers []*server) {
	for _, s := range servers {
		s.stop()
	}
}

func wall(c cost) time.Duration { return c.wall }

// answer is what the transfer client of ../shared/bench prints.
type answer struct {
	Secs    float64 `json:"secs"`
	First   float64 `json:"first_msg_secs"`
	Records int64   `json:"rrs"`
	Octets  float64 `json:"bytes_per_rr"`
	Style   string  `json:"style"`
	Err     string  `json:"err"`
}

// transfers has all servers send the zone, in turns.
func (b *bench) transfers(what string, servers []*server, args ...string) {
	all := make([][]answer, len(servers))
	for round := range b.rounds + 1 {
		for i, s := range servers {
			a := s.ask(args...)
			if round > 0 { // the first one warms up
				all[i] = append(all[i], a)
			}
		}
	}
	fmt.Printf("\n%s, median of %d\n", what, b.rounds)
	for i, s := range servers {
		if all[i][0].Err != "" {
			fmt.Printf("  %-12s %s\n", s.name, all[i][0].Err)
			continue
		}
		secs := func(of func(answer) float64) float64 {
			var costs []cost
			for _, a := range all[i] {
				costs = append(costs, cost{wall: time.Duration(of(a) * 1e9)})
			}
			return median(costs, wall).Seconds()
		}
		fmt.Printf("  %-12s %7.3f s, slowest first message %6.1f ms, %d records of %.2f octets\n", s.name,
			secs(func(a answer) float64 { return a.Secs }), 1000*secs(func(a answer) float64 { return a.First }),
			all[i][0].Records, all[i][0].Octets)
	}
}

// follow measures P7 to its end: from the start of vaern compile until the
// difference is served. Compile may end a little later.
func (b *bench) follow(s *server) error {
	k, err := b.startKnot()
	must(err)
	b.change()
	must(b.vaern("compile").Run())
	s.await(b.latest())
	var theirs, ours []cost
	for range b.rounds {
		duration, err := k.change()
		must(err)
		theirs = append(theirs, cost{wall: duration})
		b.change()
		before := b.latest()
		began := time.Now()
		compile := b.vaern("compile")
		must(compile.Start())
		for b.latest() == before && time.Since(began) < time.Minute {
			time.Sleep(time.Millisecond)
		}
		s.await(b.latest())
		a := s.ask("-type", "ixfr", "-serial", strconv.FormatUint(uint64(before), 10), "-mode", "verify")
		ours = append(ours, cost{wall: time.Since(began)})
		must(compile.Wait()) // which records it and tidies up
		if a.Err != "" || a.Style != "ixfr" {
			must(fmt.Errorf("IXFR from %v: %+v", before, a))
		}
	}
	b.report("P7 a hundred names changed, to IXFR served", []string{"knot", "vaern"}, theirs, ours)
	return nil
}

// crowd measures P9: a thousand clients at once.
func (b *bench) crowd() error {
	servers := b.servers()
	defer stop(servers)
	fmt.Printf("\nP9 AXFR, 1000 clients, %d names, median of %d\n", b.n, b.rounds)
	for _, s := range servers {
		s.start()
		var all []cost
		var a answer
		for range b.rounds {
			a = s.ask("-n", "1000")
			all = append(all, cost{wall: time.Duration(a.Secs * 1e9)})
		}
		fmt.Printf("  %-12s %7.3f s, %d records, peak %d MiB %s\n", s.name, median(all, wall).Seconds(), a.Records,
			peak(s.cmd.Process.Pid)>>20, a.Err)
		s.stop()
	}
	return nil
}

func (b *bench) latest() blocklist.Serial {
	serial, err := blocklist.Latest(b.path("authority/editions/csam"))
	must(err)
	return serial
}

// server is one that serves the zone on loopback.
type server struct {
	b           *bench
	name        string
	port        int // TCP and UDP
	tls         int // zero: none
	key, secret string
	command     func() *exec.Cmd

	cmd   *exec.Cmd
	ended chan struct{}
}

// start starts the server and waits for its first SOA.
func (s *server) start() time.Duration {
	s.cmd, s.ended = s.command(), make(chan struct{})
	log, err := os.Create(s.log())
	must(err)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	began := time.Now()
	must(s.cmd.Start())
	_ = log.Close()
	go func() {
		_ = s.cmd.Wait()
		close(s.ended)
	}()
	s.await(0)
	return time.Since(began)
}

func (s *server) log() string { return s.b.path(strings.ReplaceAll(s.name, " ", "-") + ".log") }

func (s *server) stop() {
	if s.cmd != nil {
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		<-s.ended
		s.cmd = nil
	}
}

// await asks until a serial is served, zero for any.
func (s *server) await(want blocklist.Serial) {
	for began := time.Now(); time.Since(began) < 5*time.Minute; time.Sleep(time.Millisecond) {
		select {
		case <-s.ended:
			log, _ := os.ReadFile(s.log())
			must(fmt.Errorf("%s has ended: %s", s.name, log))
		default:
		}
		m := new(dns.Msg).SetQuestion(policyZone, dns.TypeSOA)
		m.SetTsig(s.key+".", dns.HmacSHA256, 300, time.Now().Unix())
		client := dns.Client{Timeout: time.Second, TsigSecret: map[string]string{s.key + ".": s.secret}}
		reply, _, err := client.Exchange(m, fmt.Sprintf("127.0.0.1:%d", s.port))
		if err != nil || len(reply.Answer) != 1 {
			continue
		}
		if soa, ok := reply.Answer[0].(*dns.SOA); ok && (want == 0 || soa.Serial == uint32(want)) {
			return
		}
	}
	must(fmt.Errorf("%s does not serve", s.name))
}

// ask runs the transfer client.
func (s *server) ask(args ...string) (a answer) {
	port := s.port
	if args[0] == "-tls" {
		if port = s.tls; port == 0 {
			return answer{Err: "no TLS"}
		}
	}
	args = append([]string{"-addr", fmt.Sprintf("127.0.0.1:%d", port), "-zone", policyZone, "-key", s.key + ":" + s.secret}, args...)
	out, err := exec.Command(s.b.path("axfr"), args...).Output()
	if json.Unmarshal(out, &a) != nil {
		a.Err = fmt.Sprint(err, " ", string(out))
	}
	return a
}

// pss returns the memory of a process and its children, shared pages by halves.
func pss(pid int) (octets int64) { return memory(pid, "smaps_rollup", "Pss:") }

// peak returns the greatest memory of a process so far.
func peak(pid int) (octets int64) { return memory(pid, "status", "VmHWM:") }

func memory(pid int, file, key string) (octets int64) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == key {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			octets += n << 10
		}
	}
	children, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, path := range children {
		text, _ := os.ReadFile(path)
		for f := range strings.FieldsSeq(string(text)) {
			child, _ := strconv.Atoi(f)
			octets += memory(child, file, key)
		}
	}
	return octets
}
