package main

import (
	"strings"
	"testing"
)

const oneImage = `[[catalogue.image]]
from = "docker.io/etherpad/etherpad"
use = "frama.local/etherpad:1.8.14"
version = "1.8.14"
`

func TestImageConfig(t *testing.T) {
	c, err := configured(t, "[catalogue]\npull = false\n"+oneImage, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	images := c.Catalogue.images()
	if !images.NoPull || len(images.Substitutes) != 1 || images.Substitutes[0].Use != "frama.local/etherpad:1.8.14" {
		t.Errorf("got %+v", images)
	}
}

func TestImageConfigRefused(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"unknown key": {oneImage + "form = \"x\"", "did you mean from?"},
		"a tag":       {strings.Replace(oneImage, "etherpad/etherpad", "etherpad/etherpad:3.3.1", 1), "is not the name of an image without tag"},
		"twice":       {oneImage + oneImage, "is there already"},
		"no version":  {strings.Replace(oneImage, "version", "#", 1), "say which version runs"},
		"it moves":    {strings.Replace(oneImage, "1.8.14\"", "latest\"", 1), "must be pinned"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := configured(t, tc.text, nil, nil); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}
