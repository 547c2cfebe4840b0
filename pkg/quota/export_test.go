package quota

// Change is a message that adds to a counter.
var Change = change
