package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/mail"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/agext/levenshtein"
	"github.com/go-viper/mapstructure/v2"
	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// config is everything that can be configured. Keys are those of the file, of the environment (FRAMA_NOMAD_ADDRESS) and
// of the flags that exist for them. A field tagged secret can also be read from a file: nomad.token_file in the file,
// FRAMA_NOMAD_TOKEN_FILE in the environment.
type config struct {
	Listen         string        `mapstructure:"listen" default:"127.0.0.1:8600" doc:"address of the public pages and the dashboard"`
	PublicURL      string        `mapstructure:"public_url" default:"http://localhost:8600" doc:"address people use, without a slash at the end"`
	TrustedProxies []string      `mapstructure:"trusted_proxies" doc:"networks whose X-Forwarded-For is believed"`
	Database       string        `mapstructure:"database" default:"sqlite:/var/lib/frama/frama.db" secret:"yes" doc:"sqlite:<path> or postgres://…"`
	SessionHours   int           `mapstructure:"session_hours" default:"12" doc:"hours a sign-in lasts"`
	FormLimit      int           `mapstructure:"form_limit" default:"20" doc:"forms a minute and address; 0 for no limit"`
	ReservedNames  []string      `mapstructure:"reserved_names" doc:"names of spaces that nobody may have, beside the built-in ones"`
	Host           hostConfig    `mapstructure:"host"`
	Platform       platformConf  `mapstructure:"platform"`
	Seal           sealConfig    `mapstructure:"seal"`
	Log            logConfig     `mapstructure:"log"`
	Nomad          nomadConfig   `mapstructure:"nomad"`
	ACME           acmeConfig    `mapstructure:"acme"`
	Edge           edgeConfig    `mapstructure:"edge"`
	Firewall       firewallConf  `mapstructure:"firewall"`
	SMTP           smtpConfig    `mapstructure:"smtp"`
	Catalogue      catalogueConf `mapstructure:"catalogue"`
	Worker         workerConfig  `mapstructure:"worker"`
	Ports          portsConfig   `mapstructure:"ports"`
	Usage          usageConfig   `mapstructure:"usage"`
	Capacity       capacityConf  `mapstructure:"capacity"`
	Cost           costConfig    `mapstructure:"cost"`
	Metrics        metricsConfig `mapstructure:"metrics"`
	Tracing        tracingConfig `mapstructure:"tracing"`
	// Backing are servers that give instances databases and the like, see docs/operate/backing.md.
	Backing []backingConf `mapstructure:"backing"`
}

type hostConfig struct {
	Name           string `mapstructure:"name" default:"frama" doc:"name of the host (the CHATON) as people see it"`
	CharterURL     string `mapstructure:"charter_url" default:"https://www.chatons.org/charte" doc:"where the charter can be read"`
	CharterVersion string `mapstructure:"charter_version" default:"2" doc:"version that requests accept; recorded with each"`
}

type platformConf struct {
	Domain    string `mapstructure:"domain" default:"frama.localhost" doc:"base domain of the spaces"`
	HTTPSPort int    `mapstructure:"https_port" default:"443" doc:"public HTTPS port of the ingress"`
}

type sealConfig struct {
	KeyFile string `mapstructure:"key_file" default:"/var/lib/frama/seal.key" doc:"key that protects private keys at rest; made by frama migrate, keep a copy"`
}

type logConfig struct {
	Level  string `mapstructure:"level" default:"info" doc:"debug, info, warn or error"`
	Format string `mapstructure:"format" default:"text" doc:"text or json"`
}

type nomadConfig struct {
	Address   string `mapstructure:"address" default:"http://127.0.0.1:4646" doc:"address of a Nomad server"`
	Token     string `mapstructure:"token" secret:"yes" doc:"ACL token with the policy deploy/nomad-acl/frama.policy.hcl"`
	Namespace string `mapstructure:"namespace" default:"frama" doc:"Nomad namespace"`
	Region    string `mapstructure:"region" doc:"Nomad region"`
	CAFile    string `mapstructure:"ca_file" doc:"authority of the servers' certificates, PEM"`
	// CertFile and KeyFile are for servers that let in nobody without a certificate (verify_https_client).
	CertFile   string `mapstructure:"cert_file" doc:"frama's own certificate for Nomad, PEM (nomad tls cert create -cli)"`
	KeyFile    string `mapstructure:"key_file" doc:"its key, PEM"`
	ServerName string `mapstructure:"server_name" doc:"name in the servers' certificates, e.g. server.global.nomad; by default that of address"`
	Cluster    string `mapstructure:"cluster" default:"main" doc:"name of the cluster, recorded with each space"`
	// NodeNamespace is where the volume plugin runs, in whose task frama makes volumes, and the firewall's job.
	NodeNamespace string `mapstructure:"node_namespace" default:"frama-node" doc:"Nomad namespace of frama's jobs on each machine: volume plugin and firewall"`
	// Development lets jobs use exec, raw_exec and the mock driver, and offers applications of status demo.
	Development bool `mapstructure:"development" default:"false" doc:"allow drivers that isolate less than containers; never in production"`
}

type acmeConfig struct {
	Directory   string `mapstructure:"directory" default:"https://acme-v02.api.letsencrypt.org/directory" doc:"ACME directory"`
	Email       string `mapstructure:"email" doc:"contact of the account"`
	CAFile      string `mapstructure:"ca_file" doc:"authority of the directory's own certificate, PEM"`
	RootsFile   string `mapstructure:"roots_file" doc:"authority of the issued certificates, PEM; for private authorities"`
	EABKeyID    string `mapstructure:"eab_key_id" doc:"external account binding: key identifier"`
	EABHMAC     string `mapstructure:"eab_hmac" secret:"yes" doc:"external account binding: HMAC key, base64url"`
	EdgeAddress string `mapstructure:"edge_address" doc:"host:port of the ingress for the check before an order; by default the name's own address, port 80"`
}

type edgeConfig struct {
	Listen       string        `mapstructure:"listen" default:"127.0.0.1:8601" doc:"address that frama edge talks to"`
	Token        string        `mapstructure:"token" secret:"yes" doc:"secret shared with the agents; derived from the seal key when empty"`
	Addresses    []string      `mapstructure:"addresses" doc:"addresses (or CIDR ranges) that the ingress nodes reach instances from; applications believe them, and nobody else, about visitors' addresses"`
	Server       string        `mapstructure:"server" default:"http://127.0.0.1:8601" doc:"where the agent finds frama"`
	PublicKey    string        `mapstructure:"public_key" doc:"key that signs snapshots, base64 (frama edge key); derived from the seal key when empty"`
	Name         string        `mapstructure:"name" doc:"name of the agent; the machine's name by default"`
	Data         string        `mapstructure:"data" default:"/var/lib/frama/edge" doc:"folder of the agent"`
	HTTP         string        `mapstructure:"http" default:":80" doc:"address of the ingress for HTTP"`
	HTTPS        string        `mapstructure:"https" default:":443" doc:"address of the ingress for HTTPS"`
	HAProxy      string        `mapstructure:"haproxy" default:"haproxy" doc:"the HAProxy binary"`
	External     bool          `mapstructure:"external" default:"false" doc:"HAProxy is started by somebody else, e.g. systemd"`
	User         string        `mapstructure:"user" doc:"account HAProxy serves as when the agent is root, e.g. haproxy"`
	Group        string        `mapstructure:"group" doc:"group HAProxy serves as when the agent is root"`
	HSTS         time.Duration `mapstructure:"hsts" default:"0s" doc:"how long browsers shall insist on HTTPS for spaces, e.g. 4320h; 0s sends nothing"`
	ProbeAddress string        `mapstructure:"probe_address" doc:"host:port of the ingress for frama's own probes; by default each name's own address"`
}

type smtpConfig struct {
	Host     string        `mapstructure:"host" default:"localhost" doc:"mail server"`
	Port     int           `mapstructure:"port" default:"0" doc:"port of the mail server; 0: 587 with starttls, 465 with tls, 25 otherwise"`
	TLS      string        `mapstructure:"tls" default:"starttls" doc:"starttls, tls, opportunistic or none"`
	Username string        `mapstructure:"username" doc:"account on the mail server"`
	Password string        `mapstructure:"password" secret:"yes" doc:"password on the mail server"`
	From     string        `mapstructure:"from" default:"frama <frama@localhost>" doc:"sender of the mails"`
	ReplyTo  string        `mapstructure:"reply_to" doc:"where answers go; people do answer"`
	Timeout  time.Duration `mapstructure:"timeout" default:"30s" doc:"for each exchange with the mail server"`
}

type catalogueConf struct {
	Dirs   []string `mapstructure:"dirs" doc:"folders with further applications; a later one overrides an earlier one"`
	Source string   `mapstructure:"source" doc:"shared catalogue to follow: https address of a .tar.gz, such a file, or a folder"`
	Key    string   `mapstructure:"key" doc:"public key of minisign (RW…) that signs the shared catalogue"`
	Data   string   `mapstructure:"data" default:"/var/lib/frama/catalogue" doc:"folder where releases of the shared catalogue are installed"`
	Offer  []string `mapstructure:"offer" doc:"kinds that associations may ask for; by default cloud, pads, calcs, polls and forms, as far as there are applications"`
	// SharedPlan and Registry are for applications that not every host runs.
	SharedPlan string `mapstructure:"shared_plan" doc:"plan whose sizes applications get that all associations share; by default the largest"`
	Registry   string `mapstructure:"registry" doc:"registry with the images that the host builds itself, e.g. registry.example.org/frama"`
	// Pull and Image are for machines that build images themselves, see deploy/images.
	Pull  bool        `mapstructure:"pull" default:"true" doc:"images are pulled from registries; false: only those of [[catalogue.image]] are there"`
	Image []imageConf `mapstructure:"image"`
}

type workerConfig struct {
	Provision   bool          `mapstructure:"provision" default:"false" doc:"frama serve provisions approved spaces by itself"`
	Concurrency int           `mapstructure:"concurrency" default:"16" doc:"spaces worked on at once"`
	Lease       time.Duration `mapstructure:"lease" default:"1m" doc:"after this long without a sign of life, another worker takes over"`
	Healthy     time.Duration `mapstructure:"healthy_within" default:"10m" doc:"how long an instance may take to become healthy; its job may say longer"`
}

type portsConfig struct {
	Min int `mapstructure:"min" default:"10000" doc:"first port that instances get; outside of Nomad's own range, 20000 to 32000"`
	Max int `mapstructure:"max" default:"19999" doc:"last port that instances get"`
}

type usageConfig struct {
	Every       time.Duration `mapstructure:"every" default:"1h" doc:"how often each instance is measured; 0s switches measuring off"`
	Concurrency int           `mapstructure:"concurrency" default:"16" doc:"instances of a cluster measured at once"`
	Timeout     time.Duration `mapstructure:"timeout" default:"20s" doc:"for one probe of one instance"`
	Archive     string        `mapstructure:"archive" default:"/var/lib/frama/archive" doc:"folder where content is exported to before a rule of retention removes it"`
}

type capacityConf struct {
	OvercommitCPU    float64 `mapstructure:"overcommit_cpu" default:"1" doc:"how many times over CPU may be promised; 3 to 5 is usual"`
	OvercommitMemory float64 `mapstructure:"overcommit_memory" default:"1" doc:"how many times over memory may be promised; more than 1 needs memory oversubscription in Nomad, 1.5 is a lot"`
}

// costConfig is what the host pays, in its currency, for all of frama's spaces.
type costConfig struct {
	Currency    string  `mapstructure:"currency" default:"EUR" doc:"currency of all amounts, ISO 4217"`
	Servers     float64 `mapstructure:"servers" default:"0" doc:"servers and network, a month"`
	Hours       float64 `mapstructure:"hours" default:"0" doc:"hours people work for the spaces, a month"`
	HourRate    float64 `mapstructure:"hour_rate" default:"0" doc:"what an hour costs; 0 where it is given"`
	Other       float64 `mapstructure:"other" default:"0" doc:"all else, a month: domains, backups elsewhere, insurance"`
	SeatPrice   float64 `mapstructure:"seat_price" default:"0" doc:"price of a commercial suite, an account and month, to compare with"`
	Watts       float64 `mapstructure:"watts" default:"0" doc:"electric power of the servers, on average"`
	GramsPerKWh float64 `mapstructure:"grams_per_kwh" default:"0" doc:"grams of CO2 equivalent a kWh stands for"`
}

type metricsConfig struct {
	Listen string `mapstructure:"listen" doc:"address of /metrics for Prometheus, e.g. 127.0.0.1:8602; empty for none"`
}

type tracingConfig struct {
	Endpoint string  `mapstructure:"endpoint" doc:"where OpenTelemetry traces go, OTLP over HTTP, e.g. http://127.0.0.1:4318; empty for nowhere"`
	Ratio    float64 `mapstructure:"ratio" default:"1" doc:"share of traces that is kept, 0 to 1"`
}

// contact is the address at which people reach the host: where answers to its mails go.
func (c smtpConfig) contact() string {
	for _, text := range []string{c.ReplyTo, c.From} {
		if address, err := mail.ParseAddress(text); err == nil {
			return address.Address
		}
	}
	return ""
}

// defaultFile is read when it exists and no other is named.
const defaultFile = "/etc/frama/frama.toml"

// foreignVariables start with FRAMA_ but belong to the project's scripts.
var foreignVariables = []string{"FRAMA_CONFIG", "FRAMA_CACHE", "FRAMA_SCREENSHOTS"}

// key is one configuration key, as found by walking config.
type key struct {
	name, fallback, doc string
	secret              bool
	kind                reflect.Type
}

func (k key) variable() string {
	return "FRAMA_" + strings.ToUpper(strings.NewReplacer(".", "_").Replace(k.name))
}

// keys lists every configuration key in the order of the struct.
func keys() []key { return walk(reflect.TypeFor[config](), "") }

func walk(t reflect.Type, prefix string) []key {
	var all []key
	for i := range t.NumField() {
		f := t.Field(i)
		name := prefix + f.Tag.Get("mapstructure")
		if f.Type.Kind() == reflect.Struct {
			all = append(all, walk(f.Type, name+".")...)
			continue
		}
		if f.Type == reflect.TypeFor[[]backingConf]() || f.Type == reflect.TypeFor[[]imageConf]() {
			continue // it stands in the file only: see listedKeys
		}
		all = append(all, key{name: name, fallback: f.Tag.Get("default"), doc: f.Tag.Get("doc"), secret: f.Tag.Get("secret") != "", kind: f.Type})
	}
	return all
}

// keyAnnotation marks a flag that stands for a key of the configuration.
const keyAnnotation = "config"

// keyFlag adds a flag that overrides a key of the configuration.
func keyFlag(flags *pflag.FlagSet, name, key, usage string) {
	flags.String(name, "", usage+" (default: "+key+" of the configuration)")
	flags.Lookup(name).Annotations = map[string][]string{keyAnnotation: {key}}
}

// loadConfig reads defaults, file, environment and flags, the later over the earlier, and refuses what it does not know.
func loadConfig(file string, environ []string, flags *pflag.FlagSet) (config, error) {
	v := viper.New()
	var c config
	for _, k := range keys() {
		if k.fallback != "" {
			v.SetDefault(k.name, k.fallback)
		}
	}
	if err := readFile(v, file); err != nil {
		return c, err
	}
	if err := readEnvironment(v, environ); err != nil {
		return c, err
	}
	if flags != nil {
		flags.Visit(func(f *pflag.Flag) {
			if name := f.Annotations[keyAnnotation]; len(name) == 1 {
				v.Set(name[0], f.Value.String())
			}
		})
	}
	if err := readSecretFiles(v); err != nil {
		return c, err
	}
	var unused mapstructure.Metadata
	err := v.Unmarshal(&c, func(d *mapstructure.DecoderConfig) { d.Metadata = &unused })
	if err != nil {
		return c, usageError{fmt.Errorf("configuration: %w", err)}
	}
	unused.Unused = slices.DeleteFunc(unused.Unused, isSecretFile)
	if len(unused.Unused) > 0 {
		slices.Sort(unused.Unused)
		meant := nearest(unused.Unused[0], func(k key) string { return k.name })
		for list, keys := range listedKeys() {
			if strings.HasPrefix(unused.Unused[0], list+"[") {
				meant = nearestListed(unused.Unused[0], keys)
			}
		}
		return c, usageError{fmt.Errorf("configuration: unknown key %s%s", strings.Join(unused.Unused, ", "), meant)}
	}
	if err := c.backingSecrets(environ); err != nil {
		return c, err
	}
	return c, c.check()
}

func readFile(v *viper.Viper, file string) error {
	explicit := file != ""
	if !explicit {
		file = defaultFile
	}
	v.SetConfigFile(file)
	v.SetConfigType("toml")
	err := v.ReadInConfig()
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist) && !explicit:
		return nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return usageError{fmt.Errorf("configuration file: %w", err)}
	}
	var syntax *toml.DecodeError
	if errors.As(err, &syntax) {
		line, column := syntax.Position()
		return usageError{fmt.Errorf("configuration file %s:%d:%d: %w", file, line, column, syntax)}
	}
	return usageError{fmt.Errorf("configuration file %s: %w", file, err)}
}

// readEnvironment takes FRAMA_… variables. One that nobody knows is refused: it is a typing error that would otherwise
// be found much later.
func readEnvironment(v *viper.Viper, environ []string) error {
	known := map[string]key{}
	for _, k := range keys() {
		known[k.variable()] = k
	}
	for _, pair := range environ {
		name, text, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "FRAMA_") || slices.Contains(foreignVariables, name) || strings.HasPrefix(name, "FRAMA_TEST_") {
			continue
		}
		if backingVariable.MatchString(name) {
			continue // of a declared server: see backingSecrets
		}
		if k, ok := known[name]; ok {
			if k.secret && envOr(environ, name+"_FILE", "") != "" {
				return usageError{fmt.Errorf("environment: %s and %s_FILE are both set: keep one", name, name)}
			}
			if k.secret {
				v.Set(k.name+"_file", "") // the configuration file may name one
			}
			if k.kind.Kind() == reflect.Slice {
				v.Set(k.name, strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }))
			} else {
				v.Set(k.name, text)
			}
			continue
		}
		if k, ok := known[strings.TrimSuffix(name, "_FILE")]; ok && k.secret && strings.HasSuffix(name, "_FILE") {
			v.Set(k.name+"_file", text)
			continue
		}
		return usageError{fmt.Errorf("environment: unknown variable %s%s", name, nearest(name, key.variable))}
	}
	return nil
}

// readSecretFiles replaces <key>_file by what the file holds.
func readSecretFiles(v *viper.Viper) error {
	for _, k := range keys() {
		path := v.GetString(k.name + "_file")
		if !k.secret || path == "" {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return usageError{fmt.Errorf("configuration: %s_file: %w", k.name, err)}
		}
		v.Set(k.name, strings.TrimRight(string(text), "\r\n"))
	}
	return nil
}

// isSecretFile says whether a key names the file of a secret, which readSecretFiles has read.
func isSecretFile(name string) bool {
	return slices.ContainsFunc(keys(), func(k key) bool { return k.secret && name == k.name+"_file" })
}

// check finds values that cannot work, all at once.
func (c config) check() error {
	var problems []string
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if !strings.HasPrefix(c.PublicURL, "http://") && !strings.HasPrefix(c.PublicURL, "https://") || strings.HasSuffix(c.PublicURL, "/") {
		add("public_url: %q is not an http(s) address without a slash at the end", c.PublicURL)
	}
	if !strings.HasPrefix(c.Database, "sqlite:") && !strings.HasPrefix(c.Database, "postgres://") && !strings.HasPrefix(c.Database, "postgresql://") {
		add("database: expected sqlite:<path> or postgres://… (what it is now is not shown: it may hold a password)")
	}
	for _, a := range []struct{ key, address string }{{"listen", c.Listen}, {"edge.listen", c.Edge.Listen}} {
		if _, _, err := net.SplitHostPort(a.address); err != nil {
			add("%s: %q is not host:port", a.key, a.address)
		}
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		add("log.format: %q is neither text nor json", c.Log.Format)
	}
	if new(slog.Level).UnmarshalText([]byte(c.Log.Level)) != nil {
		add("log.level: %q is none of debug, info, warn, error", c.Log.Level)
	}
	if !strings.HasPrefix(c.Nomad.Address, "http://") && !strings.HasPrefix(c.Nomad.Address, "https://") {
		add("nomad.address: %q is not an http(s) address", c.Nomad.Address)
	}
	if (c.Nomad.CertFile == "") != (c.Nomad.KeyFile == "") {
		add("nomad.cert_file and nomad.key_file belong together: give both or neither")
	}
	if c.SessionHours < 1 {
		add("session_hours: %d is less than 1", c.SessionHours)
	}
	if c.Platform.Domain == "" || strings.ContainsAny(c.Platform.Domain, "/: ") {
		add("platform.domain: %q is not a domain name", c.Platform.Domain)
	}
	if c.Ports.Min < 1024 || c.Ports.Max > 65535 || c.Ports.Min > c.Ports.Max {
		add("ports: %d to %d is not a range between 1024 and 65535", c.Ports.Min, c.Ports.Max)
	}
	if r := c.Catalogue.Registry; strings.Contains(r, "://") || strings.ContainsAny(r, " {}$%") || strings.HasSuffix(r, "/") {
		add("catalogue.registry: %q is not host/path, without https:// and without a slash at the end", r)
	}
	if !slices.Contains([]string{"starttls", "tls", "opportunistic", "none"}, c.SMTP.TLS) {
		add("smtp.tls: %q is none of starttls, tls, opportunistic, none", c.SMTP.TLS)
	}
	if c.Worker.Concurrency < 1 {
		add("worker.concurrency: %d is less than 1", c.Worker.Concurrency)
	}
	if c.Worker.Lease < time.Second {
		add("worker.lease: %s is less than a second", c.Worker.Lease)
	}
	problems = append(problems, c.checkFirewall()...)
	for n, text := range c.Edge.Addresses {
		if problem := ingressProblem(text); problem != "" {
			add("edge.addresses: %q %s", text, problem)
		} else if slices.Contains(c.Edge.Addresses[:n], text) {
			add("edge.addresses: %q occurs twice", text)
		}
	}
	problems = append(problems, c.checkUsage()...)
	problems = append(problems, c.checkBacking()...)
	problems = append(problems, c.Catalogue.checkImages()...)
	if len(problems) == 0 {
		return nil
	}
	return usageError{fmt.Errorf("configuration: %s", strings.Join(problems, "; "))}
}

// ingressProblem says what is wrong with the address of an ingress node, or "".
func ingressProblem(text string) string {
	if address, err := netip.ParseAddr(text); err == nil {
		if address.Zone() != "" || address.Is4In6() || address.IsUnspecified() || address.IsMulticast() {
			return "is no address that a node can have"
		}
		return ""
	}
	network, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return "is neither an IP address nor a range, as 192.0.2.10 or 2001:db8::/64"
	case network.Bits() == 0:
		return "is every address: then anybody could pretend to be the ingress"
	case network != network.Masked():
		return fmt.Sprintf("has bits beyond its length: write %s", network.Masked())
	}
	return ""
}

// checkUsage finds values of measuring, capacity, cost and telemetry that cannot work.
func (c config) checkUsage() (problems []string) {
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if c.Usage.Every != 0 && c.Usage.Every < time.Minute {
		add("usage.every: %s is less than a minute; 0s switches measuring off", c.Usage.Every)
	}
	if c.Usage.Concurrency < 1 {
		add("usage.concurrency: %d is less than 1", c.Usage.Concurrency)
	}
	if c.Usage.Timeout < time.Second {
		add("usage.timeout: %s is less than a second", c.Usage.Timeout)
	}
	for _, f := range []struct {
		key   string
		value float64
	}{{"overcommit_cpu", c.Capacity.OvercommitCPU}, {"overcommit_memory", c.Capacity.OvercommitMemory}} {
		if !(f.value >= 1 && f.value <= 20) {
			add("capacity.%s: %g is not between 1 and 20", f.key, f.value)
		}
	}
	for _, f := range []struct {
		key   string
		value float64
	}{{"servers", c.Cost.Servers}, {"hours", c.Cost.Hours}, {"hour_rate", c.Cost.HourRate}, {"other", c.Cost.Other}, {"seat_price", c.Cost.SeatPrice},
		{"watts", c.Cost.Watts}, {"grams_per_kwh", c.Cost.GramsPerKWh}} {
		if !(f.value >= 0 && f.value <= 1e12) {
			add("cost.%s: %g is not between 0 and 1e12", f.key, f.value)
		}
	}
	if len(c.Cost.Currency) != 3 || strings.ToUpper(c.Cost.Currency) != c.Cost.Currency {
		add("cost.currency: %q is not a code of ISO 4217, as EUR", c.Cost.Currency)
	}
	if c.Metrics.Listen != "" {
		if _, _, err := net.SplitHostPort(c.Metrics.Listen); err != nil {
			add("metrics.listen: %q is not host:port", c.Metrics.Listen)
		}
	}
	if e := c.Tracing.Endpoint; e != "" && !strings.HasPrefix(e, "http://") && !strings.HasPrefix(e, "https://") {
		add("tracing.endpoint: %q is not an http(s) address", e)
	}
	if !(c.Tracing.Ratio >= 0 && c.Tracing.Ratio <= 1) {
		add("tracing.ratio: %g is not between 0 and 1", c.Tracing.Ratio)
	}
	return problems
}

// nearest suggests the key, or the variable, that somebody may have meant.
func nearest(unknown string, name func(key) string) string {
	best, distance := "", len(unknown)/2+1
	for _, k := range keys() {
		if d := levenshtein.Distance(unknown, name(k), nil); d < distance {
			best, distance = name(k), d
		}
	}
	if best == "" {
		return ": frama config keys lists the ones there are"
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}

// usageError is a mistake of whoever called frama: exit status 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }
