package nomad

import (
	"time"

	"framagit.org/frama/frama/provisioner"

	"github.com/hashicorp/nomad/api"
)

// mutators make a parsed job frama's, each one aspect. They decide what the catalogue may not; what they cannot
// decide they leave for the policy to refuse.
// knowsDisconnect is for the version of the servers.
func (c *Cluster) mutate(job *api.Job, j provisioner.Job, knowsDisconnect bool) {
	setIdentity(job, j.ID, c.options.Namespace)
	setMarks(job, j.SpaceID, j.InstanceID)
	pinToNode(job, j.Node)
	for _, group := range job.TaskGroups {
		for _, task := range group.Tasks {
			pinImage(task, j)
			c.setImage(task)
			setLogs(task)
			setKillTimeout(task)
		}
		setCount(group)
		setUpdate(group, job.Update)
		setVolumes(group, j.Volume)
		setDisconnect(group, knowsDisconnect)
		setReschedule(group, knowsDisconnect)
		setRestart(group, knowsDisconnect)
		setDisk(group)
		setPort(group, j.Port)
		setServiceNames(group, j.ID)
		setResources(group, j)
		c.isolate(group, j)
	}
	job.Update, job.Reschedule = nil, nil // the groups have it now
}

func setIdentity(job *api.Job, id, namespace string) {
	job.ID, job.Name = &id, &id
	job.Namespace = &namespace
}

// setMarks replaces meta: no revisions, no times, for each change of meta restarts the tasks.
func setMarks(job *api.Job, space, instance string) {
	job.Meta = map[string]string{metaSpace: space, metaInstance: instance}
}

// pinToNode holds the job where its volume is, whatever pool the node is in.
func pinToNode(job *api.Job, node string) {
	if node == "" {
		return
	}
	job.NodePool = ptr(api.NodePoolAll)
	job.Constraints = append(job.Constraints, &api.Constraint{LTarget: "${node.unique.id}", Operand: "=", RTarget: node})
}

// setCount: local state allows one allocation. A suspended instance has none.
func setCount(group *api.TaskGroup) { group.Count = ptr(1) }

// setUpdate stops the old allocation before the new one starts (no canary), since both would write one volume, and lets
// health checks decide. It never reverts by itself: an older version may not read what a newer one migrated. How long
// an application may take to become healthy is the catalogue's to say, for the whole job or for its group: the longer
// time counts, as a start that is cut short may leave half an installation.
func setUpdate(group *api.TaskGroup, whole *api.UpdateStrategy) {
	asked := longer(whole, group.Update)
	group.Update = &api.UpdateStrategy{
		MaxParallel:      ptr(1),
		HealthCheck:      ptr("checks"),
		MinHealthyTime:   between(asked.MinHealthyTime, time.Second, 5*time.Second, time.Minute),
		HealthyDeadline:  between(asked.HealthyDeadline, 10*time.Second, 5*time.Minute, time.Hour),
		ProgressDeadline: between(asked.ProgressDeadline, 20*time.Second, 10*time.Minute, 2*time.Hour),
		Canary:           ptr(0),
		AutoRevert:       ptr(false),
		AutoPromote:      ptr(false),
		Stagger:          ptr(30 * time.Second),
	}
	// Nomad wants progress to be due after health, and after the old task was given its time to stop.
	least := *group.Update.HealthyDeadline
	for _, task := range group.Tasks {
		least = max(least, deref(task.KillTimeout))
	}
	if *group.Update.ProgressDeadline <= least {
		group.Update.ProgressDeadline = ptr(2 * least)
	}
}

// longer merges the times of two update blocks, either of which may be missing.
func longer(a, b *api.UpdateStrategy) *api.UpdateStrategy {
	if a == nil {
		a = &api.UpdateStrategy{}
	}
	if b == nil {
		b = &api.UpdateStrategy{}
	}
	most := func(x, y *time.Duration) *time.Duration {
		if x == nil || y != nil && *y > *x {
			return y
		}
		return x
	}
	return &api.UpdateStrategy{
		MinHealthyTime:   most(a.MinHealthyTime, b.MinHealthyTime),
		HealthyDeadline:  most(a.HealthyDeadline, b.HealthyDeadline),
		ProgressDeadline: most(a.ProgressDeadline, b.ProgressDeadline),
	}
}

// setVolumes sets type and modes of the instance's own volume: one task group writes, others may read.
func setVolumes(group *api.TaskGroup, own string) {
	for _, v := range group.Volumes {
		if v != nil && v.Source == own && own != "" && v.Type == "" {
			v.Type = api.CSIVolumeTypeCSI
			v.AccessMode, v.AttachmentMode = string(accessMode), string(api.CSIVolumeAttachmentModeFilesystem)
		}
	}
}

// lostAfter is how long a node may be out of sight before its tasks count as lost.
const lostAfter = 6 * time.Hour

// setDisconnect: a node that the servers lose sight of goes on serving, and nothing replaces it, for its data is there
// alone. Moving an instance off a dead node is a restore, which people decide. Servers before 1.8 ignore the disconnect
// block; with their own older field they would start a replacement, which finds no node: the job is pinned to this one.
func setDisconnect(group *api.TaskGroup, knowsDisconnect bool) {
	//nolint:staticcheck // the way of before Nomad 1.8
	group.StopAfterClientDisconnect, group.MaxClientDisconnect, group.PreventRescheduleOnLost = nil, nil, nil
	group.Disconnect = nil
	if !knowsDisconnect {
		group.MaxClientDisconnect = ptr(lostAfter) //nolint:staticcheck // the way of before Nomad 1.8
		return
	}
	group.Disconnect = &api.DisconnectStrategy{
		LostAfter: ptr(lostAfter), Replace: ptr(false), Reconcile: ptr(api.ReconcileOptionKeepOriginal),
	}
}

// setReschedule keeps trying for ever, ever more slowly: the instance has nowhere else to go.
//
// Servers before 1.8 forget the delay and the count of tries where max_client_disconnect is set: a task that fails at once makes
// four allocations a second. There the client tries again instead (setRestart), and what could not even start, such as an
// allocation whose volume was not mounted, stays failed until it is registered afresh.
func setReschedule(group *api.TaskGroup, knowsDisconnect bool) {
	group.ReschedulePolicy = &api.ReschedulePolicy{
		Attempts: ptr(0), Interval: ptr(time.Duration(0)), Delay: ptr(30 * time.Second),
		DelayFunction: ptr("exponential"), MaxDelay: ptr(time.Hour), Unlimited: ptr(true),
	}
	if !knowsDisconnect {
		group.ReschedulePolicy = &api.ReschedulePolicy{
			Attempts: ptr(0), Interval: ptr(time.Duration(0)), Delay: ptr(30 * time.Second),
			DelayFunction: ptr("constant"), MaxDelay: ptr(time.Duration(0)), Unlimited: ptr(false),
		}
	}
}

// setRestart lets a crashing task fail after a few tries, so that the deployment says so while somebody looks. Where the server
// does not try again at its leisure, the client does, when the interval is over.
func setRestart(group *api.TaskGroup, knowsDisconnect bool) {
	asked := group.RestartPolicy
	if asked == nil {
		asked = &api.RestartPolicy{}
	}
	tries := 3
	if asked.Attempts != nil {
		tries = min(max(*asked.Attempts, 0), 10)
	}
	mode := api.RestartPolicyModeFail
	if !knowsDisconnect && tries > 0 {
		mode = api.RestartPolicyModeDelay
	}
	group.RestartPolicy = &api.RestartPolicy{
		Attempts: &tries,
		Interval: between(asked.Interval, 30*time.Second, 10*time.Minute, time.Hour),
		Delay:    between(asked.Delay, time.Second, 5*time.Second, 5*time.Minute),
		Mode:     &mode,
	}
	for _, task := range group.Tasks {
		task.RestartPolicy = nil
	}
}

// setDisk gives scratch space only: what must last is on the volume.
func setDisk(group *api.TaskGroup) {
	size := 300 // MiB, also holds the logs
	if group.EphemeralDisk != nil && group.EphemeralDisk.SizeMB != nil {
		size = min(max(*group.EphemeralDisk.SizeMB, 150), 2048)
	}
	group.EphemeralDisk = &api.EphemeralDisk{Sticky: ptr(false), Migrate: ptr(false), SizeMB: &size}
}

// setPort makes the port labelled http static, so that the ingress keeps its route when the job restarts.
func setPort(group *api.TaskGroup, port int) {
	if port == 0 {
		return
	}
	for _, network := range group.Networks {
		for i, p := range network.DynamicPorts {
			if p.Label == "http" {
				p.Value = port
				network.ReservedPorts = append(network.ReservedPorts, p)
				network.DynamicPorts = append(network.DynamicPorts[:i:i], network.DynamicPorts[i+1:]...)
				return
			}
		}
	}
}

// setServiceNames keeps a job from registering under the name of another: services are known by name in the whole
// namespace.
func setServiceNames(group *api.TaskGroup, id string) {
	services := group.Services
	for _, task := range group.Tasks {
		services = append(services[:len(services):len(services)], task.Services...)
	}
	for _, s := range services {
		switch {
		case len(services) == 1, s.Name == "", s.Name == id:
			s.Name = id
		default:
			s.Name = id + "-" + s.Name
		}
	}
}

// setResources gives the only task of a job what the instance reserved. Several tasks share it as the catalogue
// says, and the policy adds them up.
func setResources(group *api.TaskGroup, j provisioner.Job) {
	if len(group.Tasks) != 1 || j.CPU == 0 || j.Memory == 0 {
		return
	}
	task := group.Tasks[0]
	if task.Resources == nil {
		task.Resources = &api.Resources{}
	}
	task.Resources.CPU, task.Resources.MemoryMB = ptr(j.CPU), ptr(j.Memory)
	task.Resources.MemoryMaxMB = nil
	if j.MemoryMax > j.Memory {
		task.Resources.MemoryMaxMB = ptr(j.MemoryMax)
	}
}

// setLogs bounds what a task may write to the node's disk. Nomad refuses logs larger than the scratch space.
func setLogs(task *api.Task) {
	files, size := 3, 10
	asked := task.LogConfig
	if asked == nil {
		asked = &api.LogConfig{}
	}
	if asked.MaxFiles != nil {
		files = min(max(*asked.MaxFiles, 1), 5)
	}
	if asked.MaxFileSizeMB != nil {
		size = min(max(*asked.MaxFileSizeMB, 1), 10)
	}
	task.LogConfig = &api.LogConfig{MaxFiles: &files, MaxFileSizeMB: &size, Disabled: asked.Disabled}
}

func setKillTimeout(task *api.Task) {
	task.KillTimeout = between(task.KillTimeout, time.Second, 30*time.Second, 5*time.Minute)
}

// between returns the asked duration within the bounds, or the usual one.
func between(asked *time.Duration, least, usual, most time.Duration) *time.Duration {
	if asked == nil {
		return &usual
	}
	return ptr(min(max(*asked, least), most))
}

func ptr[T any](v T) *T { return &v }
