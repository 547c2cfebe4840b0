//go:build unix && !linux

package lab

import "syscall"

// attributes puts a process into its own group, so that an interrupt at the terminal does not reach it.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
