//go:build e2e

package main

func formChild() int { return 0 }
