//go:build e2e

package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/deploy/dev"
	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/provisioner/edge"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

const (
	idleSpaces = 2000
	idleFor    = 10 * time.Second
	startTimes = 15
)

// BenchmarkServe measures what frama serve takes while nothing happens, without spaces and with many, beside a Nomad
// that it watches; and how long it takes to start. A fiber program that only says hello does the same beside it.
func BenchmarkServe(b *testing.B) {
	begin()
	s := newServeBench(b)
	empty, many := s.instance(b, "empty"), s.instance(b, "many")
	many.fill(b)

	say("starting frama serve and the bare program %d times each", startTimes)
	var starts, bareStarts []time.Duration
	for range startTimes {
		starts = append(starts, s.startTime(b, empty.public, s.frama, "--config", empty.file, "serve"))
		bareStarts = append(bareStarts, s.startTime(b, s.bareAddress, s.bare, s.bareAddress))
	}

	say("idle for %s", idleFor)
	log := filepath.Join(s.options.data, "log", "idle.log")
	emptyPID, _ := launchBinary(b, log, nil, s.frama, "--config", empty.file, "serve")
	manyPID, _ := launchBinary(b, log, nil, s.frama, "--config", many.file, "serve")
	barePID, _ := launchBinary(b, log, nil, s.bare, s.bareAddress)
	for _, address := range []string{empty.public, many.public, s.bareAddress} {
		await(b, 20*time.Second, "the server at "+address, func() error { return answers(http.DefaultClient, "http://"+address+"/healthz") })
	}
	many.snapshot(b)
	time.Sleep(idleFor)

	bare := resident(b, barePID)
	print := func(name string, value float64) {
		benchLine{name, value, "MiB", value / bare, "bare-fiber-hello", 0}.print()
	}
	print("idle-rss", resident(b, emptyPID))
	print("idle-rss-2000-spaces", resident(b, manyPID))
	start := ms(median(starts))
	benchLine{"start-time", start, "ms", start / ms(median(bareStarts)), "bare-fiber-hello", 0}.print()
}

const bareHello = `package main

import (
	"os"

	"github.com/gofiber/fiber/v2"
)

func main() {
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Get("/healthz", func(c *fiber.Ctx) error { return c.SendString("hello, world") })
	panic(app.Listen(os.Args[1]))
}
`

type serveBench struct {
	*bed
	frama, bare, bareAddress string
}

func newServeBench(b *testing.B) *serveBench {
	port, err := dev.FreePort()
	if err != nil {
		b.Fatal(err)
	}
	s := &serveBench{bed: newBed(b), bareAddress: "127.0.0.1:" + strconv.Itoa(port)}
	s.frama, s.bare = buildFrama(b, "bench"), buildBare(b, "hello", bareHello)
	return s
}

// served is a frama with a database and addresses of its own.
type served struct {
	*serveBench
	file   string // its configuration
	public string // host:port of its pages
	app    *app
}

func (s *serveBench) instance(b *testing.B, name string) *served {
	b.Helper()
	ports, err := dev.FreePorts(2)
	if err != nil {
		b.Fatal(err)
	}
	text, err := os.ReadFile(s.configFile())
	if err != nil {
		b.Fatal(err)
	}
	f := &served{serveBench: s, file: filepath.Join(s.options.data, name+".toml"), public: fmt.Sprintf("127.0.0.1:%d", ports[0])}
	changed := strings.NewReplacer(
		filepath.Join(s.options.data, "frama.db"), filepath.Join(s.options.data, name+".db"),
		s.config.Listen, f.public, s.config.Edge.Listen, fmt.Sprintf("127.0.0.1:%d", ports[1]),
	).Replace(string(text))
	if err := os.WriteFile(f.file, []byte(changed), 0o600); err != nil {
		b.Fatal(err)
	}
	c := &cli{in: strings.NewReader(""), out: io.Discard, err: io.Discard, file: f.file}
	if out, err := s.bed.frama(s.frama, "", "--config", f.file, "migrate"); err != nil {
		b.Fatalf("migrate: %v\n%s", err, out)
	}
	if f.app, err = c.open(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.app.store.Close() })
	return f
}

// fill adds active spaces with an instance, a route and a certificate each.
func (f *served) fill(b *testing.B) {
	b.Helper()
	ca, err := os.ReadFile(f.pebble.DirectoryCA)
	if err != nil {
		b.Fatal(err)
	}
	chain, key := strings.Repeat(string(ca), 2), make([]byte, 240) // of the size that real ones have
	const atOnce = 200
	for first := 0; first < idleSpaces; first += atOnce {
		err := f.app.store.Write(b.Context(), func(tx *store.Tx) error {
			for n := first; n < first+atOnce; n++ {
				if err := f.space(tx, n, chain, key); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func (f *served) space(tx *store.Tx, n int, chain string, key []byte) error {
	slug := fmt.Sprintf("association-%04d", n)
	contact := hosting.Contact{Name: "Camille Martin", Email: "contact@" + slug + ".example.org", Lang: "fr"}
	request := hosting.Request{
		ID: tx.NewID(), State: hosting.RequestApproved, Association: hosting.Association{Name: "Les Amis " + slug}, Contact: contact,
		Purpose: "Des comptes rendus à plusieurs mains", Slug: slug, Kinds: []string{"pads"}, Plan: "starter", CharterVersion: "2", CreatedAt: tx.Now,
	}
	if err := tx.InsertRequest(request, "confirm-"+slug, "track-"+slug); err != nil {
		return err
	}
	space := hosting.Space{
		ID: tx.NewID(), RequestID: request.ID, Handle: slug, Slug: slug, Name: request.Association.Name, Email: contact.Email, Lang: "fr",
		Plan: "starter", State: hosting.SpaceActive, CreatedAt: tx.Now, ActivatedAt: tx.Now,
	}
	if err := tx.InsertSpace(space); err != nil {
		return err
	}
	instance := hosting.Instance{
		ID: tx.NewID(), SpaceID: space.ID, Kind: "pads", App: "etherpad", Host: hosting.HostName(slug, "pads", f.config.Platform.Domain),
		Job: slug + "-etherpad", Volume: slug + "-etherpad-data", Node: f.nomad.NodeID, Port: 21000 + n, Health: hosting.HealthHealthy,
		Reserved: hosting.Resources{CPU: 100, Memory: 256, Disk: 512},
	}
	if err := tx.InsertInstance(instance); err != nil {
		return err
	}
	if err := tx.Route(instance.ID, fmt.Sprintf("127.0.0.1:%d", instance.Port)); err != nil {
		return err
	}
	certificate, err := tx.WantCertificate(instance.Host)
	if err != nil {
		return err
	}
	certificate.ChainPEM, certificate.NotBefore, certificate.NotAfter = chain, tx.Now, tx.Now.Add(90*24*time.Hour)
	certificate.RenewAt = provisioner.RenewAt(certificate.NotBefore, certificate.NotAfter)
	return tx.SaveCertificate(certificate, key)
}

// snapshot asks for what an ingress agent asks for when it starts: frama then keeps it at hand.
func (f *served) snapshot(b *testing.B) {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://"+f.app.config.Edge.Listen+edge.SnapshotPath, nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+f.app.edgeToken())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	size, err := io.Copy(io.Discard, resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		b.Fatalf("snapshot: %s (%v)", resp.Status, err)
	}
	say("the edge snapshot of %d spaces has %.1f MiB", idleSpaces, float64(size)/(1<<20))
}

// startTime is how long a program takes from its start to its first answer.
func (s *serveBench) startTime(b *testing.B, address, path string, args ...string) time.Duration {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	start := time.Now()
	_, stop := launchBinary(b, filepath.Join(s.options.data, "log", "start.log"), nil, path, args...)
	defer stop()
	for answers(client, "http://"+address+"/healthz") != nil {
		if time.Since(start) > 20*time.Second {
			b.Fatalf("%s does not start: see %s", path, filepath.Join(s.options.data, "log", "start.log"))
		}
		time.Sleep(500 * time.Microsecond)
	}
	return time.Since(start)
}

// resident is the memory that a process holds, in MiB, code included.
func resident(b *testing.B, pid int) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			if err != nil {
				b.Fatal(err)
			}
			return float64(kib) / 1024
		}
	}
	b.Fatalf("process %d does not say how much memory it has", pid)
	return 0
}
