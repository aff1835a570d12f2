package main

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/agext/levenshtein"

	"framagit.org/frama/frama/catalogue"
)

// imageConf is an image that runs instead of another. It stands under [[catalogue.image]] as often as there are such images.
type imageConf struct {
	From    string `mapstructure:"from" doc:"name of the image in jobs, without tag, e.g. docker.io/etherpad/etherpad"`
	Use     string `mapstructure:"use" doc:"what runs instead, e.g. frama.local/etherpad:1.8.14; frama.local/… is never pulled"`
	Version string `mapstructure:"version" doc:"version of what runs in it, as pages show it"`
}

// images says where jobs get their images.
func (c catalogueConf) images() catalogue.Images {
	images := catalogue.Images{Registry: c.Registry, NoPull: !c.Pull}
	for _, i := range c.Image {
		images.Substitutes = append(images.Substitutes, catalogue.Substitute(i))
	}
	return images
}

func (c catalogueConf) checkImages() (problems []string) {
	known := map[string]bool{}
	for n, i := range c.Image {
		add := func(format string, args ...any) {
			problems = append(problems, fmt.Sprintf("catalogue.image %d: ", n+1)+fmt.Sprintf(format, args...))
		}
		switch {
		case i.From == "" || i.From != catalogue.Repository(i.From):
			add("from: %q is not the name of an image without tag, as docker.io/etherpad/etherpad", i.From)
		case known[i.From]:
			add("from: %s is there already", i.From)
		}
		known[i.From] = true
		if problem := catalogue.ImageProblem(i.Use); problem != "" {
			add("use: %s", problem)
		}
		if i.Version == "" {
			add("version: say which version runs in %s", i.Use)
		}
	}
	return problems
}

// listedKeys are the keys of what stands in the configuration file as often as there is of it, by its name there.
func listedKeys() map[string][]key {
	return map[string][]key{
		"backing":         keysOfList("backing", reflect.TypeFor[backingConf]()),
		"catalogue.image": keysOfList("catalogue.image", reflect.TypeFor[imageConf]()),
	}
}

func keysOfList(list string, t reflect.Type) []key {
	var all []key
	for i := range t.NumField() {
		f := t.Field(i)
		all = append(all, key{name: "[[" + list + "]] " + f.Tag.Get("mapstructure"), doc: f.Tag.Get("doc"), kind: f.Type})
	}
	return all
}

// nearestListed suggests the key of such a list that somebody may have meant.
func nearestListed(unknown string, keys []key) string {
	last := unknown[strings.LastIndex(unknown, ".")+1:]
	best, distance := "", len(last)/2+1
	for _, k := range keys {
		_, name, _ := strings.Cut(k.name, " ")
		if d := levenshtein.Distance(last, name, nil); d < distance {
			best, distance = name, d
		}
	}
	if best == "" {
		return ": frama config keys lists the ones there are"
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}
