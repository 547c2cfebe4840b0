package lab

import "syscall"

// attributes puts a process into its own group, so that an interrupt at the terminal does not reach it, and has it killed
// when this program dies.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
