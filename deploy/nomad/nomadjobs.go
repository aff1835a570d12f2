// Package nomadjobs holds the Nomad jobs that frama needs on a cluster, so that development and tests run the very same.
package nomadjobs
