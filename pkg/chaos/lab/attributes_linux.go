package lab

import "syscall"

// attributes puts a child into a group of its own, so that an interrupt at the terminal does not reach it, and has it
// killed when the laboratory dies.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
