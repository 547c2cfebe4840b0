//go:build unix && !linux

package lab

import "syscall"

// attributes puts a child into a group of its own, so that an interrupt at the terminal does not reach it.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
