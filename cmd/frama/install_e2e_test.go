//go:build e2e

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"framagit.org/frama/frama/deploy/dev"
	"framagit.org/frama/frama/deploy/journey"
)

const installPage = "../../docs/operate/install.md"

// TestTheInstallPageHolds follows the page word for word on what looks like a fresh machine, from packages to a space that
// opens over HTTPS: real Nomad with mTLS and ACL, PostgreSQL, HAProxy and the machine's container engine. What stands in:
// systemd, the public authority, the mail server, and images where no registry answers.
func TestTheInstallPageHolds(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("it makes namespaces and mounts: run it as root")
	}
	m := newMachine(t)
	blocks := guideBlocks(t, installPage)
	commands, last := 0, ""
	for _, b := range blocks {
		switch file, isFile := strings.CutPrefix(b.info, "file="); {
		case isFile:
			m.write(file, m.adapt(b.text))
		case b.kind == "sh" && b.info == "":
			commands++
			last = m.do(fmt.Sprintf("%s:%d", installPage, b.line), m.adapt(b.text), 15*time.Minute)
		case b.kind == "text":
			for line := range strings.SplitSeq(strings.TrimSpace(b.text), "\n") {
				if !strings.Contains(last, line) {
					t.Errorf("%s:%d: the answer lacks %q:\n%s", installPage, b.line, line, last)
				}
			}
		case b.info == "follow":
			m.openSpace(t, b)
		}
	}
	if commands < 10 {
		t.Errorf("the page has %d blocks of commands: is it still read as it is written?", commands)
	}
	for from := range m.instead {
		if !m.used[from] {
			t.Errorf("the page has no %q any more, which this test has to replace", from)
		}
	}
}

// machine is a fresh one in namespaces of this one.
type machine struct {
	t       *testing.T
	dir     string
	instead map[string]string // what the page says, and what is done here
	used    map[string]bool
	blocks  *os.File // names of files to execute
	answers *bufio.Scanner
	output  *os.File
	pages   int
	engine  *dev.Engine
	mails   *dev.Maildev
	acme    *dev.Pebble
	https   int
	kinds   []string
}

const installPassword = "correct horse battery staple"

func newMachine(t *testing.T) *machine {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "fi") // not below /etc, /usr or /var, which the machine has of its own; short, for sockets
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // frama's own user passes through it
		t.Fatal(err)
	}
	m := &machine{t: t, dir: dir, used: map[string]bool{}}
	t.Cleanup(m.remove)
	// The engine sees what is mounted below it in the other namespace.
	for _, args := range [][]string{{"--bind", dir, dir}, {"--make-shared", dir}} {
		if out, err := exec.Command("mount", args...).CombinedOutput(); err != nil {
			t.Fatalf("mount %v: %v\n%s", args, err, out)
		}
	}
	for _, folder := range []string{"src", "logs", "acme", "mail"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ports, err := dev.FreePorts(8)
	if err != nil {
		t.Fatal(err)
	}
	http, postgres, feed := ports[0], ports[1], ports[2]
	m.https, m.pages = ports[3], ports[4]
	engine, err := dev.UseEngine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m.engine = engine
	images, err := engine.BuiltImages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if m.acme, err = dev.StartPebble(t.Context(), dev.PebbleOptions{Data: filepath.Join(dir, "acme"), EdgeHTTP: http, EdgeTLS: m.https}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.acme.Stop)
	if m.mails, err = dev.StartMaildev(t.Context(), dev.MaildevOptions{Data: filepath.Join(dir, "mail")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.mails.Stop)
	m.replace(http, postgres, feed, ports[5:8], images)
	m.source()
	m.start(engine.Socket, postgres)
	return m
}

// replace prepares what differs here: names that nobody answers to, ports that others hold, images that no registry gives.
func (m *machine) replace(http, postgres, feed int, nomad []int, images []dev.BuiltImage) {
	host, port, _ := net.SplitHostPort(m.mails.SMTPAddr)
	low := m.freeRange()
	m.kinds = kindsOf(images)
	var substitutes strings.Builder
	fmt.Fprintf(&substitutes, "\n[ports]\nmin = %d\nmax = %d\n", low, low+19)
	subnets, err := freeSubnets(os.Getpid() % 128)
	if err != nil {
		m.t.Fatal(err)
	}
	fmt.Fprintf(&substitutes, "\n[firewall]\nprefix = %q\ncni = %q\n", m.prefix(), m.dir+"/cni")
	for class, subnet := range subnets {
		fmt.Fprintf(&substitutes, "%s = %q\n", class, subnet)
	}
	for _, i := range images {
		if !slices.Contains(slices.Concat(imagesOfPage["pads"], imagesOfPage["cloud"]), i.StandsFor) {
			continue
		}
		fmt.Fprintf(&substitutes, "\n[[catalogue.image]]\nfrom = %q\nuse = %q\nversion = %q\n", i.StandsFor, i.Name, i.Version)
	}
	m.instead = map[string]string{
		"/opt/nomad":                             m.dir + "/n",
		"/srv/volumes":                           m.dir + "/v",
		"/opt/cni/config":                        m.dir + "/cni",
		":4646":                                  fmt.Sprintf(":%d", nomad[0]),
		"127.0.0.1:5432":                         fmt.Sprintf("127.0.0.1:%d", postgres),
		"host all all 172.16.0.0/12 ":            "host all all 198.18.0.0/15 ",
		"172.17.0.1:5432":                        fmt.Sprintf("172.17.0.1:%d", postgres),
		"nft -f ":                                "nft -c -f ", // the rules are right; this machine keeps its own
		"--role admin ":                          "--role admin <<< '" + installPassword + "' ",
		`"https://frama.example.org"`:            fmt.Sprintf("%q\nlisten = \"127.0.0.1:%d\"", m.publicURL(), m.pages),
		`domain = "asso.example.org"`:            fmt.Sprintf("domain = \"asso.localhost\"\nhttps_port = %d\n", m.https),
		`email = "admin@example.org"`:            fmt.Sprintf("email = \"admin@example.org\"\ndirectory = %q\nca_file = %q\nroots_file = %q\nedge_address = \"127.0.0.1:%d\"", m.acme.Directory, m.acme.DirectoryCA, m.acme.RootsFile, http),
		"\nhsts = \"4320h\"":                     fmt.Sprintf("\nhsts = \"4320h\"\nlisten = \"127.0.0.1:%d\"\nprobe_address = \"127.0.0.1:%d\"", feed, m.https),
		"http://127.0.0.1:8601":                  fmt.Sprintf("http://127.0.0.1:%d", feed),
		`name       = "ingress-1"`:               fmt.Sprintf("name = \"ingress-1\"\nhttp = \"127.0.0.1:%d\"\nhttps = \"127.0.0.1:%d\"", http, m.https),
		`host          = "mail.example.org"`:     fmt.Sprintf("host = %q\nport = %s\ntls = \"none\"", host, port),
		"mail.example.org:587":                   m.mails.SMTPAddr,
		`from          = "no-reply@example.org"`: `from = "no-reply@example.org"` + "\n" + substitutes.String(),
		`username      = "frama"`:                "", // the mailbox takes mail from everybody
		`offer = ["cloud", "pads"]`:              fmt.Sprintf("offer = [\"%s\"]", strings.Join(m.kinds, `", "`)),
		"systemctl enable --now docker nomad":    "cp " + m.dir + "/ports.hcl /etc/nomad.d/zz-ports.hcl\nsystemctl enable --now docker nomad",
	}
	for _, i := range images {
		if i.StandsFor == "gcr.io/google_containers/pause-amd64" { // of tasks that share a network
			m.instead["    allow_privileged = false"] = fmt.Sprintf("    allow_privileged = false\n    infra_image = %q", i.Name)
		}
	}
	m.write(m.dir+"/ports.hcl", fmt.Sprintf("ports {\n  http = %d\n  rpc  = %d\n  serf = %d\n}\n\nclient {\n  options {\n"+
		"    \"fingerprint.denylist\" = \"env_aws,env_gce,env_azure,env_digitalocean\"\n  }\n}\n", nomad[0], nomad[1], nomad[2]))
	m.instead["127.0.0.1:4647"] = fmt.Sprintf("127.0.0.1:%d", nomad[1])
}

// imagesOfPage are those of the kinds that the page offers.
var imagesOfPage = map[string][]string{
	"pads":  {"docker.io/etherpad/etherpad"},
	"cloud": {"docker.io/library/nextcloud", "docker.io/valkey/valkey"},
}

// kindsOf lists the kinds that this machine has all images for. Nextcloud is there where somebody built it.
func kindsOf(images []dev.BuiltImage) []string {
	kinds := []string{"pads"}
	for _, name := range imagesOfPage["cloud"] {
		if !slices.ContainsFunc(images, func(i dev.BuiltImage) bool { return i.StandsFor == name }) {
			return kinds
		}
	}
	return append(kinds, "cloud")
}

// freeRange finds twenty ports in a row for instances.
func (m *machine) freeRange() int {
	m.t.Helper()
	for low := 13000; low < 19900; low += 20 {
		taken := slices.ContainsFunc(slices.Collect(func(yield func(int) bool) {
			for p := low; p < low+20 && yield(p); p++ {
			}
		}), func(p int) bool {
			l, err := net.Listen("tcp", ":"+strconv.Itoa(p))
			if err == nil {
				_ = l.Close()
			}
			return err != nil
		})
		if !taken {
			return low
		}
	}
	m.t.Fatal("no twenty ports in a row are free")
	return 0
}

// prefix begins the names of this machine's networks and rules, which the kernel and the engine have beside those of others.
func (m *machine) prefix() string { return fmt.Sprintf("fi%06d", os.Getpid()%1_000_000) }

func (m *machine) publicURL() string { return fmt.Sprintf("http://127.0.0.1:%d", m.pages) }

// adapt replaces, in a text of the page, what cannot be as it says. Longer words come first.
func (m *machine) adapt(text string) string {
	words := make([]string, 0, len(m.instead))
	for from := range m.instead {
		words = append(words, from)
	}
	slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) })
	for _, from := range words {
		if strings.Contains(text, from) {
			m.used[from] = true
			text = strings.ReplaceAll(text, from, m.instead[from])
		}
	}
	return text
}

// source copies this repository, with the files of Nomad's configuration as they have to be here.
func (m *machine) source() {
	m.t.Helper()
	src := filepath.Join(m.dir, "src")
	out, err := exec.Command("sh", "-euc", `cd "$(git rev-parse --show-toplevel)" && git ls-files -z --cached --others --exclude-standard | tar --null -T - --ignore-failed-read -cf - | tar -xf - -C "$0"`, src).CombinedOutput()
	if err != nil {
		m.t.Fatalf("copy the repository: %v\n%s", err, out)
	}
	names, err := filepath.Glob(src + "/deploy/nomad/*.hcl")
	if err != nil {
		m.t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			m.t.Fatal(err)
		}
		m.write(name, m.adapt(string(text)))
	}
}

// write makes a file, which the machine sees in its own /etc once it is there.
func (m *machine) write(path, text string) {
	m.t.Helper()
	if strings.HasPrefix(path, "/etc/") {
		kept := filepath.Join(m.dir, filepath.Base(path))
		m.write(kept, text)
		m.do("write "+path, fmt.Sprintf("install -D -m 600 %s %s\n", kept, path), time.Minute)
		return
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) start(engine string, postgres int) {
	m.t.Helper()
	here, err := filepath.Abs("testdata/install")
	if err != nil {
		m.t.Fatal(err)
	}
	toDo, blocks, err := os.Pipe()
	if err != nil {
		m.t.Fatal(err)
	}
	answers, done, err := os.Pipe()
	if err != nil {
		m.t.Fatal(err)
	}
	if m.output, err = os.Create(filepath.Join(m.dir, "logs", "session.log")); err != nil {
		m.t.Fatal(err)
	}
	cmd := exec.Command("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "unchanged", filepath.Join(here, "session"))
	cmd.Env = append(os.Environ(), "MACHINE="+m.dir, "ENGINE="+engine, "INSTALL_LOGS="+m.dir+"/logs", "SHIM="+here+"/systemctl",
		"POSTGRES="+strconv.Itoa(postgres), "DEBIAN_FRONTEND=noninteractive", "FRAMA_CACHE="+dev.Cache())
	cmd.Stdout, cmd.Stderr = m.output, m.output
	cmd.ExtraFiles = []*os.File{toDo, done}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	_, _ = toDo.Close(), done.Close()
	m.blocks, m.answers = blocks, bufio.NewScanner(answers)
	m.t.Cleanup(func() {
		m.stopJobs()
		_ = blocks.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// do executes commands in the machine and returns what they wrote.
func (m *machine) do(where, commands string, within time.Duration) string {
	m.t.Helper()
	begun := time.Now()
	before, _ := m.output.Seek(0, io.SeekEnd)
	file := filepath.Join(m.dir, fmt.Sprintf("block-%d", begun.UnixNano()))
	m.write(file, commands)
	if _, err := fmt.Fprintln(m.blocks, file); err != nil {
		m.t.Fatalf("%s: the session has ended: %v\n%s", where, err, m.said(0))
	}
	answered := make(chan bool, 1)
	go func() { answered <- m.answers.Scan() }()
	select {
	case ok := <-answered:
		if !ok {
			m.t.Fatalf("%s failed:\n%s\n%s\n%s", where, commands, m.said(before), m.logs())
		}
	case <-time.After(within):
		m.t.Fatalf("%s has not ended within %s:\n%s\n%s\n%s", where, within, commands, m.said(before), m.logs())
	}
	m.t.Logf("%s: %s", where, time.Since(begun).Round(100*time.Millisecond))
	return m.said(before)
}

// said is what the session wrote from an offset on.
func (m *machine) said(from int64) string {
	text, _ := os.ReadFile(m.output.Name())
	return string(text[min(int(from), len(text)):])
}

// logs is the end of what each service wrote.
func (m *machine) logs() string {
	var all strings.Builder
	names, _ := filepath.Glob(m.dir + "/logs/*.log")
	for _, name := range names {
		if text, err := os.ReadFile(name); err == nil && filepath.Base(name) != "session.log" {
			fmt.Fprintf(&all, "== %s\n%s\n", filepath.Base(name), text[max(0, len(text)-4000):])
		}
	}
	return all.String()
}

// openSpace goes the association's way, and provisions as the page says.
func (m *machine) openSpace(t *testing.T, provision guideBlock) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	request := journey.Sample("lilas")
	request.Kinds = m.kinds
	j := journey.Journey{
		PublicURL: m.publicURL(), Mailbox: journey.Mailbox{URL: m.mails.WebURL}, Staff: journey.Staff{Email: "ana@example.org", Password: installPassword},
		Request: request, Ingress: "127.0.0.1:" + strconv.Itoa(m.https), RootsFile: m.acme.RootsFile, Out: os.Stderr,
	}
	var r journey.Result
	for _, step := range []func(context.Context, *journey.Result) error{j.Ask, j.Confirm, j.Approve} {
		if err := step(ctx, &r); err != nil {
			t.Fatalf("%v\n%s", err, m.logs())
		}
	}
	m.do(fmt.Sprintf("%s:%d", installPage, provision.line), m.adapt(provision.text), 15*time.Minute)
	for _, step := range []func(context.Context, *journey.Result) error{j.Follow, j.Visit} {
		if err := step(ctx, &r); err != nil {
			t.Fatalf("%v\n%s", err, m.logs())
		}
	}
	t.Logf("open: %v", r.Addresses)
	client, err := j.HTTPS()
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Get(r.Addresses[0])
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if got := answer.Header.Get("Strict-Transport-Security"); !strings.Contains(got, "15552000") {
		t.Errorf("HSTS %q, though the page switches it on", got)
	}
	page, _ := io.ReadAll(answer.Body)
	if !regexp.MustCompile(`(?i)etherpad|pad`).Match(page) {
		t.Errorf("%s is no pad: %.300s", r.Addresses[0], page)
	}
	// Nobody without a certificate is answered.
	m.do("Nomad without a certificate", m.adapt(`curl -sf --max-time 5 --cacert "$NOMAD_CACERT" --cert "$NOMAD_CLIENT_CERT" --key "$NOMAD_CLIENT_KEY" https://127.0.0.1:4646/v1/status/leader
! curl -sk --max-time 5 https://127.0.0.1:4646/v1/status/leader
`), time.Minute)
}

// stopJobs lets containers and volumes end in order, as far as there are any.
func (m *machine) stopJobs() {
	file := filepath.Join(m.dir, "stop")
	_ = os.WriteFile(file, []byte(`set +e
for namespace in frama frama-node; do
  for job in $(nomad job status -namespace $namespace 2>/dev/null | awk 'NR > 1 { print $1 }'); do
    timeout 60 nomad job stop -purge -namespace $namespace "$job"
  done
done
sleep 1
[[ ! -e /etc/frama/firewall.json ]] || frama firewall remove /etc/frama/firewall.json
set -e
`), 0o600)
	if _, err := fmt.Fprintln(m.blocks, file); err != nil {
		return
	}
	ended := make(chan bool, 1)
	go func() { ended <- m.answers.Scan() }()
	select {
	case <-ended:
	case <-time.After(2 * time.Minute):
	}
}

// remove takes away what is left: containers whose folders are here, mounts, files.
func (m *machine) remove() {
	cmd := exec.Command("sh", "-c", `
for id in $(docker ps -aq); do
  docker inspect --format '{{range .Mounts}}{{.Source}} {{end}}' "$id" | grep -qF "$0/" && docker rm -f "$id"
done
for network in none mail web; do docker network rm "$1-$network"; done
for family in inet bridge; do nft delete table "$family" "$1"; done
findmnt -rno TARGET | grep -F "$0" | sort -r | while read -r target; do umount -l "$target"; done
rm -rf --one-file-system "$0"`, m.dir, m.prefix())
	if m.engine != nil {
		cmd.Env = append(os.Environ(), "DOCKER_HOST="+m.engine.Host())
		defer func() { _ = m.engine.Leave() }()
	}
	out, err := cmd.CombinedOutput()
	if _, left := os.Stat(m.dir); left == nil {
		m.t.Errorf("%s is left: %v\n%s", m.dir, err, out)
	}
}
