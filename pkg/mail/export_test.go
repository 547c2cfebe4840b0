package mail

// NewWithRoots is New with trusted certificate authorities.
var NewWithRoots = newSender
