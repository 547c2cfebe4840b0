// Package problem writes error responses. It contains the table of error codes with their statuses and sentences in English and
// Chinese, and the mapping from the errors of other packages to codes.
//
// A new code needs a constant and a row in codes.go, and an entry in api/openapi.yaml; a new error of another package needs
// a row in errors.go.
package problem
