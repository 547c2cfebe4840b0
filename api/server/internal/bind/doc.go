// Package bind reads requests: a JSON body or the query becomes a Go value, and the errors of all its fields are collected
// with their JSON pointers, so that a client learns of all of them at once.
package bind
