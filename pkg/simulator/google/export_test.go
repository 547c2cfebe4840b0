package google

import (
	"maps"
	"slices"
)

// IDTokenFaults returns the names of the faults that change an id_token.
func IDTokenFaults() []string { return slices.Collect(maps.Keys(idTokenMutations())) }
