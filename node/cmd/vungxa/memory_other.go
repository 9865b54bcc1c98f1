//go:build !linux

package main

// undumpable does nothing: only Linux has the switch.
func undumpable() error { return nil }
