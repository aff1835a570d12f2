package catalogue_test

import (
	"testing"

	"framagit.org/frama/frama/catalogue"
)

func TestImagesOfAVersion(t *testing.T) {
	for image, want := range map[string]bool{
		"docker.io/dokuwiki/dokuwiki:2025-05-14b": true,
		"docker.io/dokuwiki/dokuwiki:2025-05-14":  true,
		"docker.io/example/toy:1.2.3":             true,
		"docker.io/dokuwiki/dokuwiki:2025-05":     false,
		"docker.io/dokuwiki/dokuwiki:2025":        false,
		"docker.io/dokuwiki/dokuwiki:stable":      false,
	} {
		if problem := catalogue.ImageProblem(image); (problem == "") != want {
			t.Errorf("%s: %q", image, problem)
		}
	}
}
