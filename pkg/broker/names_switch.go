package broker

// SwitchSubject is where the state of a runtime switch is stored.
func SwitchSubject(name string) string { return kvSubject(BucketControl, "switch."+name) }

// SwitchesSubject matches the state of every runtime switch.
func SwitchesSubject() string { return kvSubject(BucketControl, "switch.*") }

// DeploymentSubject is where one entry of the deployment history is stored.
func DeploymentSubject(id string) string { return kvSubject(BucketControl, "deployment."+id) }

// DeploymentsSubject matches the whole deployment history.
func DeploymentsSubject() string { return kvSubject(BucketControl, "deployment.*") }
