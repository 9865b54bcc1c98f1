//go:build !linux

package main

import "log"

func main() { log.Fatal("syncpeers needs the network namespaces of Linux") }
