package catalogue

import "testing"

func TestRepository(t *testing.T) {
	for reference, want := range map[string]string{
		"docker.io/etherpad/etherpad:3.3.1":            "docker.io/etherpad/etherpad",
		"registry.example.org:5000/pads/etherpad:1.0":  "registry.example.org:5000/pads/etherpad",
		"registry.example.org:5000/pads/etherpad":      "registry.example.org:5000/pads/etherpad",
		"docker.io/library/nginx:1.30@sha256:0123abcd": "docker.io/library/nginx",
		"docker.io/library/nginx@sha256:0123abcd":      "docker.io/library/nginx",
	} {
		if got := Repository(reference); got != want {
			t.Errorf("%s: %s, want %s", reference, got, want)
		}
	}
}

// What runs instead of an image says its own version, and what cannot be had is not offered.
func TestWithImages(t *testing.T) {
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	etherpad := Substitute{From: "docker.io/etherpad/etherpad", Use: "frama.local/etherpad:1.8.14", Version: "1.8.14"}
	for _, test := range []struct {
		name, app    string
		images       Images
		version      string
		installable  bool
		instead      string
		firstLacking string
	}{
		{name: "pulled", app: "etherpad", version: "3.3.1", installable: true},
		{
			name: "built here", app: "etherpad", images: Images{NoPull: true, Substitutes: []Substitute{etherpad}},
			version: "1.8.14", installable: true, instead: etherpad.Use,
		},
		{name: "neither", app: "etherpad", images: Images{NoPull: true}, version: "3.3.1", firstLacking: "docker.io/etherpad/etherpad:3.3.1"},
		{
			name: "one of two", app: "nextcloud", images: Images{NoPull: true, Substitutes: []Substitute{
				{From: "docker.io/library/nextcloud", Use: "frama.local/nextcloud:32.0.1", Version: "32.0.1"},
			}},
			version: "32.0.1", instead: "frama.local/nextcloud:32.0.1", firstLacking: "docker.io/valkey/valkey:8.1.10-alpine",
		},
		{
			name: "not built here", app: "lufi", images: Images{Registry: LocalRegistry},
			version: "0.07.3", firstLacking: "frama.local/lufi:0.07.3",
		},
		{name: "of the host's registry", app: "lufi", images: Images{Registry: "registry.example.org/host"}, version: "0.07.3", installable: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			app, ok := c.WithImages(test.images).App(test.app)
			if !ok {
				t.Fatal("it is gone")
			}
			if app.Version() != test.version || app.Installable() != test.installable {
				t.Errorf("version %s, installable %v", app.Version(), app.Installable())
			}
			if built, _ := app.Built(); built.Use != test.instead {
				t.Errorf("runs %q", built.Use)
			}
			lacking := append(app.Lacking(), "")
			if lacking[0] != test.firstLacking {
				t.Errorf("lacks %q", lacking)
			}
		})
	}
}
