//go:build e2e

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"framagit.org/frama/frama/deploy/dev"
	"framagit.org/frama/frama/deploy/journey"
)

// playRole plays the part that a test started this binary for; it returns when there is none.
func playRole() {
	switch os.Getenv("FRAMA_TEST_ROLE") {
	case "crash":
		os.Exit(crashChild())
	case "form":
		os.Exit(formChild())
	}
}

// bed is a platform for one test: Nomad, ACME server and mailbox of its own, and frama's configuration for them.
type bed struct {
	*platform
	t      testing.TB
	config config
}

// newBed starts the parts, with options changed.
func newBed(t testing.TB, change ...func(*devOptions)) *bed {
	t.Helper()
	ports, err := dev.FreePorts(4)
	if err != nil {
		t.Fatal(err)
	}
	// Not t.TempDir: its path is too long for the sockets in it, and Nomad's mounts must be gone before it is removed.
	dir, err := os.MkdirTemp("", "frama")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the platform's folder is kept: %s", dir)
			return
		}
		_ = os.RemoveAll(dir)
	})
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	frama, err := exec.LookPath("frama") // testscript.Main puts this binary into PATH under that name
	if err != nil {
		t.Fatal(err)
	}
	p := &platform{
		cli:     &cli{in: strings.NewReader(""), out: testWriter{t}, err: testWriter{t}},
		options: devOptions{data: dir, pages: ports[0], http: ports[1], https: ports[2], mailP: ports[3], nomad: threePorts(t), frama: frama},
	}
	for _, change := range change {
		change(&p.options)
	}
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Error(err)
		}
		// HAProxy is made to go on without its agent.
		for _, pid := range haproxies(filepath.Join(dir, "edge")) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	if err := p.useEngine(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.engine != nil {
		needs, err := p.cli.offeredNeeds(p.images)
		if err != nil {
			t.Fatal(err)
		}
		p.needs = needs
	}
	if err := p.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := &bed{platform: p, t: t}
	if _, err := p.writeConfig(); err != nil {
		t.Fatal(err)
	}
	// Tests of other processes may have instances on this machine's address at the same time.
	first := 10000 + os.Getpid()%5*400
	b.reconfigure(func(text string) string { return text + tomlTable("ports", "min", first, "max", first+399) })
	return b
}

// containers has a platform run the applications of the catalogue, in images built on this machine.
func containers(o *devOptions) { o.images = imagesBuilt }

// threePorts returns the first of three neighbouring free ports, as Nomad takes them.
func threePorts(t testing.TB) int {
	t.Helper()
	for base := 12000 + os.Getpid()%1000; base < 20000; base += 3 {
		if (dev.Port{Number: base}).Check() == nil && (dev.Port{Number: base + 1}).Check() == nil && (dev.Port{Number: base + 2}).Check() == nil {
			return base
		}
	}
	t.Fatal("no three free ports in a row between 12000 and 20000")
	return 0
}

// haproxies are the processes of the HAProxy whose files are in a folder: its path is on their command line.
func haproxies(folder string) (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is well-formed
	for _, file := range files {
		line, err := os.ReadFile(file)
		program, _, _ := strings.Cut(string(line), "\x00")
		if err != nil || filepath.Base(program) != "haproxy" || !strings.Contains(string(line), folder+"/") {
			continue
		}
		if pid, err := strconv.Atoi(strings.Split(file, "/")[2]); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// testWriter shows what a part prints with the test's own output.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	if _, isBench := w.t.(*testing.B); isBench {
		return os.Stdout.Write(b) // a benchmark's log is shown only at its end
	}
	w.t.Log(strings.TrimRight(string(b), "\n"))
	return len(b), nil
}

// buildFrama builds the real binary with a version.
func buildFrama(t testing.TB, release string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "frama")
	cmd := exec.Command("go", "build", "-ldflags", "-X main.tagged="+release, "-o", path, ".")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build frama: %v\n%s", err, out)
	}
	return path
}

// start runs a frama command until the test ends or stop is called.
func (b *bed) start(name, binary string, args ...string) (stop func()) {
	b.t.Helper()
	cmd := exec.Command(binary, append([]string{"--config", b.configFile()}, args...)...)
	log, err := os.OpenFile(filepath.Join(b.options.data, "log", name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		b.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		_ = cmd.Process.Signal(os.Interrupt)
		done := make(chan struct{})
		go func() { _ = cmd.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			b.t.Errorf("%s did not stop", name)
			_ = cmd.Process.Kill()
			<-done
		}
		log.Close()
	}
	b.t.Cleanup(stop)
	return stop
}

// frama runs a frama command to its end.
func (b *bed) frama(binary, stdin string, args ...string) (string, error) {
	cmd := exec.Command(binary, append([]string{"--config", b.configFile()}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// mustFrama runs a command that has to succeed.
func (b *bed) mustFrama(binary, stdin string, args ...string) string {
	b.t.Helper()
	out, err := b.frama(binary, stdin, args...)
	if err != nil {
		b.t.Fatalf("frama %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// journey prepares the way of a request on this platform.
func (b *bed) journey(binary string, q journey.Request) journey.Journey {
	return journey.Journey{
		PublicURL: b.config.PublicURL, Mailbox: journey.Mailbox{URL: b.mailbox.WebURL}, Staff: journey.Staff{Email: devEmail, Password: devPassword},
		Request: q, Frama: []string{binary, "--config", b.configFile()}, Ingress: b.config.Edge.HTTPS, RootsFile: b.config.ACME.RootsFile,
		Out: testWriter{b.t},
	}
}

// await polls until ok or the time is over.
func await(t testing.TB, within time.Duration, what string, ok func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// answers says whether an address answers 200.
func answers(client *http.Client, address string) error {
	_, err := fetch(client, address)
	return err
}

func fetch(client *http.Client, address string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s: %.200s", address, resp.Status, body)
	}
	return string(body), err
}

// askNomad asks the cluster itself, with the management token: what tests believe is not what frama says.
func (b *bed) askNomad(method, path string, into any) error {
	req, err := http.NewRequest(method, b.nomad.Address+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("X-Nomad-Token", b.nomad.ManagementToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s %s: %s %s", method, path, resp.Status, text)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// reconfigure changes the configuration file and reads it again.
func (b *bed) reconfigure(change func(text string) string) {
	b.t.Helper()
	text, err := os.ReadFile(b.configFile())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(b.configFile(), []byte(change(string(text))), 0o600); err != nil {
		b.t.Fatal(err)
	}
	if b.config, err = loadConfig(b.configFile(), nil, nil); err != nil {
		b.t.Fatal(err)
	}
}
