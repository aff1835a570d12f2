//go:build !e2e

package main

// playRole has no part to play without the real parts.
func playRole() {}
