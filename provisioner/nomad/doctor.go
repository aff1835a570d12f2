package nomad

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"framagit.org/frama/frama/provisioner"

	"github.com/hashicorp/nomad/api"
)

// Check is one thing that Doctor looked at.
type Check struct {
	Name   string
	OK     bool
	Detail string // what was found
	Mend   string // what to do, when it is not OK
}

// leastVersion is the oldest Nomad that frama runs on, and the one it is tested on, which is free software.
const leastVersion = "1.6.3"

// Ping says whether the cluster answers and has a leader.
func (c *Cluster) Ping(ctx context.Context) error {
	return c.call(ctx, "ask for the leader", func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		var leader string
		_, err = c.client.Raw().Query("/v1/status/leader", &leader, r)
		return err
	})
}

// Doctor looks at everything frama needs of the cluster. Nothing is changed: rights to write are tried with requests
// that Nomad refuses for another reason once it has let them in.
func (c *Cluster) Doctor(ctx context.Context) []Check {
	if err := c.Ping(ctx); err != nil {
		return []Check{{Name: "reachable", Detail: detail(err), Mend: "start Nomad, or correct nomad.address (" + c.options.Address + ")"}}
	}
	checks := []Check{{Name: "reachable", OK: true, Detail: c.options.Address}}
	token := c.checkToken(ctx)
	checks = append(checks, token)
	if !token.OK {
		return checks
	}
	checks = append(checks, c.checkVersion(ctx), c.checkNamespace(ctx))
	if c.options.Oversubscribed {
		checks = append(checks, c.checkOversubscription(ctx))
	}
	checks = append(checks, c.checkVolumes(ctx))
	if !c.options.Policy.Development { // a platform of development keeps its rules itself
		checks = append(checks, c.checkFirewall(ctx))
	}
	for _, try := range c.tries() {
		checks = append(checks, c.checkRight(ctx, try))
	}
	return checks
}

// checkToken: Nomad answers 400 where access rules are off.
func (c *Cluster) checkToken(ctx context.Context) Check {
	check := Check{Name: "token", OK: true}
	err := c.once(ctx, func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		token, _, err := c.client.ACLTokens().Self(r)
		if err == nil {
			check.Detail = fmt.Sprintf("%s token %q", token.Type, token.Name)
		}
		return err
	})
	switch {
	case err == nil:
	case strings.Contains(err.Error(), "ACL support disabled"):
		check.Detail = "ACL is off: every job can read every secret"
		check.Mend = "switch ACL on in production (acl { enabled = true })"
	default:
		check.OK, check.Detail = false, detail(err)
		check.Mend = "make a token (nomad acl token create -name frama -policy frama) and give it to nomad.token_file"
	}
	return check
}

// checkVersion reads the versions of servers and clients, and says which of two ways keeps a node's jobs where they are while
// it is out of sight.
func (c *Cluster) checkVersion(ctx context.Context) Check {
	check := Check{Name: "version"}
	server, err := c.serverVersion(ctx)
	if err != nil {
		check.Detail, check.Mend = detail(err), "apply "+policyFile+": it has operator { policy = \"read\" }"
		return check
	}
	stubs, err := c.nodeStubs(ctx)
	oldest := server
	for _, n := range stubs {
		if older(n.Version, oldest) {
			oldest = n.Version
		}
	}
	way := "max_client_disconnect"
	if !older(server, disconnectVersion) {
		way = "the disconnect block"
	}
	switch {
	case err != nil:
		check.Detail, check.Mend = detail(err), "apply "+policyFile+": it has node { policy = \"read\" }"
	case len(stubs) == 0:
		check.Detail, check.Mend = "there is no node", "start a Nomad client: nothing can run without one"
	case older(oldest, leastVersion):
		check.Detail, check.Mend = "a server or node runs Nomad "+oldest, "upgrade to "+leastVersion+" or later"
	default:
		check.OK, check.Detail = true, fmt.Sprintf("servers %s, nodes %s or later; jobs stay with a node that is out of sight by %s", server, oldest, way)
	}
	return check
}

// nodeStubs lists all nodes, also those that are down.
func (c *Cluster) nodeStubs(ctx context.Context) ([]*api.NodeListStub, error) {
	var stubs []*api.NodeListStub
	err := c.call(ctx, "list nodes", func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		stubs, _, err = c.client.Nodes().List(r)
		return err
	})
	return stubs, err
}

// older compares versions number by number; what follows a hyphen does not count.
func older(a, b string) bool {
	split := func(v string) []string {
		v, _, _ = strings.Cut(strings.TrimPrefix(v, "v"), "-")
		v, _, _ = strings.Cut(v, "+")
		return strings.Split(v, ".")
	}
	as, bs := split(a), split(b)
	for i := range min(len(as), len(bs)) {
		x, _ := strconv.Atoi(as[i])
		y, _ := strconv.Atoi(bs[i])
		if x != y {
			return x < y
		}
	}
	return len(as) < len(bs)
}

func (c *Cluster) checkNamespace(ctx context.Context) Check {
	check := Check{Name: "namespace " + c.options.Namespace}
	err := c.once(ctx, func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		_, _, err = c.client.Namespaces().Info(c.options.Namespace, r)
		return err
	})
	switch {
	case err == nil:
		check.OK, check.Detail = true, "exists"
	case isNotFound(err):
		check.Detail, check.Mend = "does not exist", "nomad namespace apply -description 'spaces of frama' "+c.options.Namespace
	default:
		check.Detail, check.Mend = detail(err), "apply "+policyFile
	}
	return check
}

// checkOversubscription makes sure that jobs may grow beyond the memory they ask for. Where they may not, a job that asks
// for less than its instance was promised is killed at what it asked for.
func (c *Cluster) checkOversubscription(ctx context.Context) Check {
	check := Check{Name: "memory oversubscription"}
	on := false
	err := c.once(ctx, func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		answer, _, err := c.client.Operator().SchedulerGetConfiguration(r)
		if err == nil && answer.SchedulerConfig != nil {
			on = answer.SchedulerConfig.MemoryOversubscriptionEnabled
		}
		return err
	})
	switch {
	case status(err) == http.StatusForbidden:
		check.Detail, check.Mend = "the token may not read the scheduler's configuration", "apply "+policyFile+": it has operator { policy = \"read\" }"
	case err != nil:
		check.Detail, check.Mend = detail(err), "see the server's log"
	case !on:
		check.Detail = "is off, and capacity.overcommit_memory is more than 1: instances would be killed at a part of the memory they were promised"
		check.Mend = "nomad operator scheduler set-config -memory-oversubscription=true, or set capacity.overcommit_memory to 1"
	default:
		check.OK, check.Detail = true, "is on"
	}
	return check
}

// try is a right and a request that shows whether the token has it.
type try struct {
	right string
	do    func(context.Context, *api.QueryOptions, *api.WriteOptions) error
	fine  func(error) bool // whether this error, which is no 403, is the expected one
}

const doctorJob = "frama-doctor" // never registered

func (c *Cluster) tries() []try {
	probe := &api.Job{ID: ptr(doctorJob), Name: ptr(doctorJob), Namespace: &c.options.Namespace, Type: ptr("service"),
		TaskGroups: []*api.TaskGroup{{Name: ptr("app"), Tasks: []*api.Task{{Name: "app", Driver: "docker", Config: map[string]any{"image": "none:0.0"}}}}}}
	mounting := ptr(*probe)
	mounting.TaskGroups = []*api.TaskGroup{ptr(*probe.TaskGroups[0])}
	mounting.TaskGroups[0].Volumes = map[string]*api.VolumeRequest{"data": {Name: "data", Type: api.CSIVolumeTypeCSI, Source: doctorJob,
		AccessMode: string(accessMode), AttachmentMode: string(api.CSIVolumeAttachmentModeFilesystem)}}
	missing := func(err error) bool { return isNotFound(err) }
	return []try{
		{right: "parse-job", do: func(_ context.Context, _ *api.QueryOptions, w *api.WriteOptions) error {
			_, err := c.client.Raw().Write("/v1/jobs/parse", &api.JobsParseRequest{JobHCL: "job \"x\" {\n  type = \"service\"\n}"}, &api.Job{}, w)
			return err
		}},
		{right: "read-job", fine: missing, do: func(_ context.Context, r *api.QueryOptions, _ *api.WriteOptions) error {
			_, _, err := c.client.Jobs().Info(doctorJob, r)
			return err
		}},
		{right: "submit-job", do: func(_ context.Context, _ *api.QueryOptions, w *api.WriteOptions) error {
			_, _, err := c.client.Jobs().Plan(probe, false, w)
			return err
		}},
		{right: "csi-read-volume", fine: missing, do: func(_ context.Context, r *api.QueryOptions, _ *api.WriteOptions) error {
			_, _, err := c.client.CSIVolumes().Info(doctorJob, r)
			return err
		}},
		{right: "csi-write-volume", do: func(_ context.Context, _ *api.QueryOptions, w *api.WriteOptions) error {
			return c.client.CSIVolumes().Deregister(doctorJob, false, w)
		}, fine: func(err error) bool { return hasAny(err.Error(), "volume not found") }},
		{right: "csi-mount-volume", do: func(_ context.Context, _ *api.QueryOptions, w *api.WriteOptions) error {
			_, _, err := c.client.Jobs().Plan(mounting, false, w)
			return err
		}},
		{right: "variables read", do: func(_ context.Context, r *api.QueryOptions, _ *api.WriteOptions) error {
			_, _, err := c.client.Variables().Peek(secretsPath(doctorJob), r)
			return err
		}},
		{right: "variables write", fine: isConflict, do: func(_ context.Context, _ *api.QueryOptions, w *api.WriteOptions) error {
			v := api.NewVariable(secretsPath(doctorJob))
			v.Items["never"], v.ModifyIndex = "written", 1 // no variable has the index 1
			_, _, err := c.client.Variables().CheckedUpdate(v, w)
			return err
		}},
	}
}

func (c *Cluster) checkRight(ctx context.Context, t try) Check {
	check := Check{Name: "may " + t.right}
	err := c.once(ctx, func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		w, err := c.write(ctx)
		if err != nil {
			return err
		}
		return t.do(ctx, r, w)
	})
	switch {
	case err == nil, t.fine != nil && t.fine(err):
		check.OK, check.Detail = true, "yes"
	case status(err) == http.StatusForbidden:
		check.Detail = "the token lacks it in namespace " + c.options.Namespace
		check.Mend = "nomad acl policy apply frama " + policyFile + " (without -namespace, which would give it to every job)"
	default:
		check.Detail, check.Mend = detail(err), "see the server's log"
	}
	return check
}

func detail(err error) string {
	var t *provisioner.TemporaryError
	if errors.As(err, &t) {
		return t.Reason
	}
	return err.Error()
}
