package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/provisioner/nomad"
)

// examineNeeds compares what the applications on offer need with what is declared and what the cluster has.
func (a *app) examineNeeds(ctx context.Context) []finding {
	apps := a.control.OfferedApps()
	needs, err := clusterNeeds(apps)
	if err != nil {
		return []finding{{"applications", false, err.Error(), "frama catalogue lint shows what is wrong with them"}}
	}
	needs.PortMin, needs.PortMax = a.config.Ports.Min, a.config.Ports.Max
	all := []finding{a.examineOffer(ctx, apps)}
	if own := ownImages(apps); len(own) > 0 && a.config.Catalogue.Registry == "" {
		all = append(all, finding{"registry", false, "none is configured, and the host builds the images of " + strings.Join(own, ", "),
			"set catalogue.registry, or offer other kinds (catalogue.offer)"})
	}
	cluster, err := a.cluster()
	if err != nil {
		return all // examineNomad says so
	}
	for _, check := range cluster.DoctorNeeds(ctx, needs) {
		all = append(all, finding{"nomad " + check.Name, check.OK, check.Detail, check.Mend})
	}
	return all
}

// examineOffer looks for backing servers that applications need, before an association waits for them.
func (a *app) examineOffer(ctx context.Context, apps []catalogue.App) finding {
	f := finding{Name: "applications"}
	servers, err := a.config.backing()
	if err != nil {
		f.Detail, f.Mend = err.Error(), "correct the [[backing]] declarations"
		return f
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if missing := provisioner.MissingBacking(ctx, servers, apps); len(missing) > 0 {
		f.Detail = "what is on offer cannot be installed: " + strings.Join(missing, "; ")
		f.Mend = "declare a [[backing]] for each (docs/operate/backing.md), or offer other kinds (catalogue.offer)"
		return f
	}
	var names []string
	for _, app := range apps {
		names = append(names, app.Name)
	}
	f.OK, f.Detail = true, fmt.Sprintf("%s: what they need is declared", strings.Join(names, ", "))
	if f.OK = len(names) > 0; !f.OK {
		f.Detail, f.Mend = "none is on offer", "name kinds in catalogue.offer; frama catalogue list shows the applications"
	}
	return f
}

// clusterNeeds adds up what the jobs of applications ask of the cluster.
func clusterNeeds(apps []catalogue.App) (nomad.Needs, error) {
	var needs nomad.Needs
	for _, app := range apps {
		job, err := app.JobNeeds()
		if err != nil {
			return needs, err
		}
		needs.Drivers = append(needs.Drivers, job.Drivers...)
		if job.KillTimeout > needs.KillTimeout {
			needs.KillTimeout, needs.Slowest = job.KillTimeout, app.Name
		}
		if app.Grows() {
			needs.MemoryMax = append(needs.MemoryMax, app.Name)
		}
	}
	slices.Sort(needs.Drivers)
	needs.Drivers = slices.Compact(needs.Drivers)
	return needs, nil
}

// ownImages lists the applications whose images the host builds.
func ownImages(apps []catalogue.App) (names []string) {
	for _, app := range apps {
		for _, image := range app.Run().Images {
			if image.Build != "" {
				names = append(names, app.Name)
				break
			}
		}
	}
	return names
}
